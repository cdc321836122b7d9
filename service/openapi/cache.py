"""The documentation of the cache."""

from service.handlers.cache import TARGET_HEADER, CachedImages, CachePruned, CacheState, Deleted, QueuedImages
from service.openapi.images import IMAGE_ID
from service.openapi.operation import JSON, Answer, Operation, Parameter

TAG = "Cache"
NONE = Answer("This service has no cache.")
DONE = Answer("Done, or there was nothing to do.", {JSON: None})

LIST_CACHE = Operation(TAG, "List what the cache holds", {200: Answer("The images.", {JSON: CacheState}), 404: NONE})
ADD_TO_CACHE = Operation(
    TAG,
    "Fetch an image into the cache",
    {202: Answer("The image is in the cache, or will be soon."), 400: Answer("The image is not active.")},
    (IMAGE_ID,),
)
REMOVE_FROM_CACHE = Operation(
    TAG, "Remove an image from the cache", {204: Answer("It is in neither the cache nor its queue.")}, (IMAGE_ID,)
)
CLEAR_CACHE = Operation(
    TAG,
    "Empty the cache",
    {204: Answer("It is empty."), 400: Answer("The header says something else."), 404: NONE},
    (Parameter("header", TARGET_HEADER, "`cache` or `queue`, where not both are meant."),),
)
LIST_CACHE_NODES = Operation(
    TAG,
    "List the nodes whose cache has an image, which is not possible",
    {409: Answer("Each node has a cache of its own.")},
    (IMAGE_ID,),
)
CLEAN_CACHE = Operation(TAG, "Remove what is broken or left half copied", {200: Answer("It is clean."), 404: NONE})
PRUNE_CACHE = Operation(
    TAG,
    "Shrink the cache to its limit",
    {200: Answer("What was removed: that which was used longest ago.", {JSON: CachePruned}), 404: NONE},
)
LIST_CACHED = Operation(
    TAG, "List what the cache holds, in the old way", {200: Answer("The images.", {JSON: CachedImages}), 404: NONE}
)
CLEAR_CACHED = Operation(
    TAG, "Empty the cache, in the old way", {200: Answer("It is empty.", {JSON: Deleted}), 404: NONE}
)
REMOVE_CACHED = Operation(TAG, "Remove an image from the cache, in the old way", {200: DONE}, (IMAGE_ID,))
LIST_QUEUED = Operation(
    TAG, "List what waits for the cache", {200: Answer("The ids.", {JSON: QueuedImages}), 404: NONE}
)
CLEAR_QUEUED = Operation(TAG, "Empty the queue of the cache", {200: Answer("It is empty.", {JSON: Deleted}), 404: NONE})
ADD_QUEUED = Operation(TAG, "Fetch an image into the cache, in the old way", {200: DONE}, (IMAGE_ID,))
REMOVE_QUEUED = Operation(TAG, "Take an image out of the queue of the cache", {200: DONE}, (IMAGE_ID,))
