"""Files that others read: the CF forecast file and ODIM_H5 composites."""
