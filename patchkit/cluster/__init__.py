"""Work on other machines, by Dask (the extra ``patchkit[cluster]``), which nothing outside this package imports."""
