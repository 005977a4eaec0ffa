"""Work on other machines, by Dask (the extra ``patchkit[cluster]``): nothing outside this package imports it."""
