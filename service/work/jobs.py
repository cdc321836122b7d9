"""What is done for each type of task."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.tasks import TaskType
from service.work.imports import run_import, run_old_import
from service.work.locations import run_location
from service.work.runner import Job

JOBS: Mapping[TaskType, Job] = MappingProxyType(
    {"api_image_import": run_import, "import": run_old_import, "location_import": run_location}
)
