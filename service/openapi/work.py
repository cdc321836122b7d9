"""The documentation of imports, tasks, locations and stores."""

from typing import Any

from service.handlers.tasks import TaskBody, TaskPage, TaskRows
from service.openapi.bodies import NewImport, NewLocation, NewTask
from service.openapi.data import STORE
from service.openapi.images import IMAGE_ID
from service.openapi.operation import JSON, Answer, Header, Operation, Parameter
from service.wire import LocationBody

TASK_ID = Parameter("path", "task_id", "The task's UUID.")

IMPORT_DATA = Operation(
    "Image data",
    "Import an image's data",
    {
        202: Answer("The import is written down, and begins; the image and its tasks tell how it goes."),
        409: Answer("The image is in another status, lacks a format, is being imported, or a store is unknown."),
        413: Answer("The body is too long, or the project holds as much as it may."),
    },
    (IMAGE_ID, STORE),
    {JSON: NewImport},
)
LIST_IMAGE_TASKS = Operation(
    "Image data",
    "List the tasks of an image",
    {200: Answer("The tasks.", {JSON: TaskRows})},
    (IMAGE_ID,),
)
ADD_LOCATION = Operation(
    "Image data",
    "Tell where an image's data is",
    {
        202: Answer("The location is written down, and will be looked at; the image's tasks tell how that goes."),
        409: Answer("The image is not queued, lacks a format, or is being imported."),
    },
    (IMAGE_ID,),
    {JSON: NewLocation},
)
LIST_LOCATIONS = Operation(
    "Image data",
    "List where an image's data is",
    {200: Answer("The locations.", {JSON: list[LocationBody]})},
    (IMAGE_ID,),
)
REMOVE_FROM_STORE = Operation(
    "Image data",
    "Remove an image's data from one store",
    {
        204: Answer("The store has it no longer."),
        403: Answer("The policy refuses, or no other store has the data."),
        409: Answer("The store is unknown, or the image is not active."),
        412: Answer("The image is not the one that `If-Match` names."),
    },
    (Parameter("path", "store_id", "The store's id."), IMAGE_ID),
)
CREATE_TASK = Operation(
    "Tasks",
    "Import a new image from a URL, in the old way",
    {
        201: Answer("The task.", {JSON: TaskBody}, {"Location": Header("Its URL.")}),
        409: Answer("The id of the new image is, or once was, an image's."),
        413: Answer("The body is too long, or a quota would be exceeded."),
    },
    body={JSON: NewTask},
)
LIST_TASKS = Operation(
    "Tasks",
    "List tasks",
    {200: Answer("A page of tasks.", {JSON: TaskPage})},
    tuple(
        Parameter("query", *parameter)
        for parameter in (
            ("limit", "Most tasks on the page.", int),
            ("marker", "The page starts after this task."),
            ("sort_key", "The key to sort by; `created_at` where none is named."),
            ("sort_dir", "`asc`, or `desc`, as where nothing is said."),
            ("status", "Only these."),
            ("type", "Only these; can only be `import`."),
            ("owner", "Only this project's."),
        )
    ),
)
SHOW_TASK = Operation("Tasks", "Show a task", {200: Answer("The task.", {JSON: TaskBody})}, (TASK_ID,))
REMOVE_TASK: Any = Operation(
    "Tasks",
    "Delete a task, which is not possible",
    {405: Answer("A task is forgotten by itself some time after its end.", headers={"Allow": Header("`GET`.")})},
    (TASK_ID,),
)
