"""A whole run for other programs: NeXus, netCDF or a folder of csv, with its provenance in each.

``read_content`` collects the run, ``nexus``, ``netcdf`` and ``csv`` write it.
"""
