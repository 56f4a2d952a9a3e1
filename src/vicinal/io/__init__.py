"""Tables from files and to files, whole or not at all."""

from vicinal.io.atomic import check_file as check_file
from vicinal.io.atomic import replacing as replacing
from vicinal.io.tables import SUFFIXES as SUFFIXES
from vicinal.io.tables import check_output as check_output
from vicinal.io.tables import output_format as output_format
from vicinal.io.tables import read_table as read_table
from vicinal.io.tables import write_table as write_table
