"""How do the heavy steps run on many machines? On the workers of a Dask cluster. The only home of Dask.

Results stay on the workers that made them; when a worker is lost, Dask makes what it held again elsewhere.
"""

from flows.cluster.engine import DaskEngine
from flows.cluster.joining import joined

__all__ = ["DaskEngine", "joined"]
