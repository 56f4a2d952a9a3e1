"""Rules between columns: found in the training rows or said by the user, and kept in every row."""

from vicinal.table.rules.find import find_rules
from vicinal.table.rules.grammar import parse_rule
from vicinal.table.rules.keep import RuleKeeper
from vicinal.table.rules.kinds import Rule

__all__ = ["Rule", "RuleKeeper", "find_rules", "parse_rule"]
