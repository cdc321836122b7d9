"""The documentation of what the service tells about itself."""

from service.handlers.info import ImportInfo, StoresInfo, UsageInfo
from service.openapi.operation import JSON, Answer, Operation

ONE_STORE = Answer("There is only one store, without a name.")

SHOW_IMPORT = Operation("Information", "List the import methods", {200: Answer("The methods.", {JSON: ImportInfo})})
LIST_STORES = Operation(
    "Information", "List the stores", {200: Answer("The stores.", {JSON: StoresInfo}), 404: ONE_STORE}
)
DETAIL_STORES = LIST_STORES._replace(summary="List the stores with their configuration")
SHOW_USAGE = Operation(
    "Information",
    "Show what the caller's project uses",
    {200: Answer("By the limits' names; empty where no limits come from Keystone.", {JSON: UsageInfo})},
)
