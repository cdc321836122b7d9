"""The whole API as one table: method, path, handler, documentation, the rule it asks, and whether a body may come."""

from service.handlers import (
    actions,
    data,
    docs,
    health,
    images,
    imports,
    info,
    locations,
    members,
    schemas,
    stores,
    tags,
    tasks,
    versions,
)
from service.metadefs.routes import METADEF_ROUTES
from service.openapi.data import DOWNLOAD_DATA, HEAD_DATA, STAGE_DATA, UPLOAD_DATA
from service.openapi.docs import SHOW_DOCUMENT, SHOW_FILE, SHOW_PAGE
from service.openapi.health import LIVE, METRICS, READY
from service.openapi.images import (
    ADD_TAG,
    CREATE_IMAGE,
    DEACTIVATE_IMAGE,
    DELETE_IMAGE,
    HEAD_IMAGE,
    LIST_IMAGES,
    REACTIVATE_IMAGE,
    REMOVE_TAG,
    SHOW_IMAGE,
    UPDATE_IMAGE,
)
from service.openapi.info import DETAIL_STORES, LIST_STORES, SHOW_IMPORT, SHOW_USAGE
from service.openapi.members import ADD_MEMBER, LIST_MEMBERS, REMOVE_MEMBER, SHOW_MEMBER, UPDATE_MEMBER
from service.openapi.schemas import SHOW_SCHEMA
from service.openapi.versions import CHOOSE_VERSION, LIST_VERSIONS, LIST_VERSIONS_BELOW, REDIRECT
from service.openapi.work import (
    ADD_LOCATION,
    CREATE_TASK,
    IMPORT_DATA,
    LIST_IMAGE_TASKS,
    LIST_LOCATIONS,
    LIST_TASKS,
    REMOVE_FROM_STORE,
    REMOVE_TASK,
    SHOW_TASK,
)
from service.route import Route

__all__ = ["METADEF_ROUTES", "ROUTES", "Route"]

ROUTES: tuple[Route, ...] = (
    Route("GET", "/images/{image_id}", images.show, SHOW_IMAGE, "get_image", prompt=True),
    Route("HEAD", "/images/{image_id}", images.show, HEAD_IMAGE, "get_image", prompt=True),
    Route("GET", "/images", images.index, LIST_IMAGES, "get_images", body=True),
    Route("POST", "/images", images.create, CREATE_IMAGE, "add_image", body=True),
    Route("PATCH", "/images/{image_id}", images.update, UPDATE_IMAGE, "modify_image", body=True),
    Route("DELETE", "/images/{image_id}", images.delete, DELETE_IMAGE, "delete_image"),
    Route("PUT", "/images/{image_id}/file", data.upload, UPLOAD_DATA, "upload_image", body=True),
    Route("GET", "/images/{image_id}/file", data.download, DOWNLOAD_DATA, "download_image"),
    Route("HEAD", "/images/{image_id}/file", data.download, HEAD_DATA, "download_image"),
    Route("PUT", "/images/{image_id}/stage", data.stage, STAGE_DATA, "modify_image", body=True),
    Route("POST", "/images/{image_id}/import", imports.start, IMPORT_DATA, "modify_image", body=True),
    Route("GET", "/images/{image_id}/tasks", tasks.of_image, LIST_IMAGE_TASKS, "get_image"),
    Route("POST", "/images/{image_id}/locations", locations.add, ADD_LOCATION, "add_image_location", body=True),
    Route("GET", "/images/{image_id}/locations", locations.index, LIST_LOCATIONS, "fetch_image_location"),
    Route("DELETE", "/stores/{store_id}/{image_id}", stores.remove, REMOVE_FROM_STORE, "get_image_location"),
    Route("GET", "/tasks", tasks.index, LIST_TASKS, "tasks_api_access", body=True),
    Route("POST", "/tasks", tasks.create, CREATE_TASK, "tasks_api_access", body=True),
    Route("GET", "/tasks/{task_id}", tasks.show, SHOW_TASK, "tasks_api_access", body=True),
    Route("DELETE", "/tasks/{task_id}", tasks.remove, REMOVE_TASK, "tasks_api_access", body=True),
    Route("POST", "/images/{image_id}/actions/deactivate", actions.deactivate, DEACTIVATE_IMAGE, "deactivate"),
    Route("POST", "/images/{image_id}/actions/reactivate", actions.reactivate, REACTIVATE_IMAGE, "reactivate"),
    Route("PUT", "/images/{image_id}/tags/{tag}", tags.add, ADD_TAG, "modify_image"),
    Route("DELETE", "/images/{image_id}/tags/{tag}", tags.remove, REMOVE_TAG, "modify_image"),
    Route("POST", "/images/{image_id}/members", members.add, ADD_MEMBER, "add_member", body=True),
    Route("GET", "/images/{image_id}/members", members.index, LIST_MEMBERS, "get_members"),
    Route("GET", "/images/{image_id}/members/{member_id}", members.show, SHOW_MEMBER, "get_member"),
    Route("PUT", "/images/{image_id}/members/{member_id}", members.update, UPDATE_MEMBER, "get_member", body=True),
    Route("DELETE", "/images/{image_id}/members/{member_id}", members.remove, REMOVE_MEMBER, "get_member"),
    Route("GET", "/info/import", info.imports, SHOW_IMPORT),
    Route("GET", "/info/stores", info.stores, LIST_STORES),
    Route("GET", "/info/stores/detail", info.stores_detail, DETAIL_STORES, "stores_info_detail"),
    Route("GET", "/info/usage", info.usage, SHOW_USAGE),
    Route("GET", "/schemas/{name}", schemas.show, SHOW_SCHEMA),
    Route("GET", "", versions.redirect, REDIRECT),
    Route("*", "/", versions.multiple_choices, CHOOSE_VERSION, body=True, open=True),
    Route("*", "/versions", versions.versions, LIST_VERSIONS, body=True, open=True),
    Route("*", "/versions/{tail:.*}", versions.versions, LIST_VERSIONS_BELOW, body=True, open=True),
    Route("GET", "/healthcheck", health.live, LIVE, open=True),
    Route("GET", "/livez", health.live, LIVE, open=True),
    Route("GET", "/readyz", health.ready, READY, open=True),
    Route("GET", "/metrics", health.metrics, METRICS, open=True),
    Route("GET", "/docs", docs.page, SHOW_PAGE, open=True),
    Route("GET", "/docs/{file}", docs.file, SHOW_FILE, open=True),
    Route("GET", "/openapi.json", docs.document, SHOW_DOCUMENT, open=True),
    *METADEF_ROUTES,
)
