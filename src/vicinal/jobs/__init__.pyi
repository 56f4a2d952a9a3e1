from .ray import RayCluster as RayCluster
