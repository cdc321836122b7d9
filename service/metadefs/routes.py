"""The rows of the table that are there only where the store offers metadata definitions (section 2)."""

from service.handlers import schemas
from service.metadefs import associations, namespaces, objects, properties, tags
from service.openapi import metadefs as docs
from service.route import Route

RESOURCE_TYPES = "/metadefs/resource_types"
NAMESPACES = "/metadefs/namespaces"
# The framework's own pattern stops at braces, which names may hold.
NAMESPACE = f"{NAMESPACES}/{{namespace:[^/]+}}"
NAME = "{name:[^/]+}"

METADEF_ROUTES: tuple[Route, ...] = (
    Route("GET", RESOURCE_TYPES, associations.types, docs.LIST_TYPES, "list_metadef_resource_types"),
    Route("GET", NAMESPACES, namespaces.index, docs.LIST_NAMESPACES, "get_metadef_namespaces", body=True),
    Route("POST", NAMESPACES, namespaces.create, docs.CREATE_NAMESPACE, "add_metadef_namespace", body=True),
    Route("GET", NAMESPACE, namespaces.show, docs.SHOW_NAMESPACE, "get_metadef_namespace"),
    Route("PUT", NAMESPACE, namespaces.update, docs.UPDATE_NAMESPACE, "modify_metadef_namespace", body=True),
    Route("DELETE", NAMESPACE, namespaces.delete, docs.DELETE_NAMESPACE, "delete_metadef_namespace"),
    Route(
        "GET",
        f"{NAMESPACE}/resource_types",
        associations.index,
        docs.LIST_ASSOCIATIONS,
        "list_metadef_resource_types",
    ),
    Route(
        "POST",
        f"{NAMESPACE}/resource_types",
        associations.add,
        docs.ADD_ASSOCIATION,
        "add_metadef_resource_type_association",
        body=True,
    ),
    Route(
        "DELETE",
        f"{NAMESPACE}/resource_types/{NAME}",
        associations.remove,
        docs.REMOVE_ASSOCIATION,
        "remove_metadef_resource_type_association",
    ),
    Route("GET", f"{NAMESPACE}/objects", objects.index, docs.LIST_OBJECTS, "get_metadef_objects", body=True),
    Route("POST", f"{NAMESPACE}/objects", objects.add, docs.ADD_OBJECT, "add_metadef_object", body=True),
    Route("DELETE", f"{NAMESPACE}/objects", objects.clear, docs.CLEAR_OBJECTS, "delete_metadef_namespace"),
    Route("GET", f"{NAMESPACE}/objects/{NAME}", objects.show, docs.SHOW_OBJECT, "get_metadef_object"),
    Route("PUT", f"{NAMESPACE}/objects/{NAME}", objects.update, docs.UPDATE_OBJECT, "modify_metadef_object", body=True),
    Route("DELETE", f"{NAMESPACE}/objects/{NAME}", objects.remove, docs.REMOVE_OBJECT, "delete_metadef_object"),
    Route("GET", f"{NAMESPACE}/properties", properties.index, docs.LIST_PROPERTIES, "get_metadef_properties"),
    Route("POST", f"{NAMESPACE}/properties", properties.add, docs.ADD_PROPERTY, "add_metadef_property", body=True),
    Route("DELETE", f"{NAMESPACE}/properties", properties.clear, docs.CLEAR_PROPERTIES, "delete_metadef_namespace"),
    Route(
        "GET",
        f"{NAMESPACE}/properties/{NAME}",
        properties.show,
        docs.SHOW_PROPERTY,
        "get_metadef_property",
        body=True,
    ),
    Route(
        "PUT",
        f"{NAMESPACE}/properties/{NAME}",
        properties.update,
        docs.UPDATE_PROPERTY,
        "modify_metadef_property",
        body=True,
    ),
    Route(
        "DELETE",
        f"{NAMESPACE}/properties/{NAME}",
        properties.remove,
        docs.REMOVE_PROPERTY,
        "remove_metadef_property",
    ),
    Route("GET", f"{NAMESPACE}/tags", tags.index, docs.LIST_TAGS, "get_metadef_tags", body=True),
    Route("POST", f"{NAMESPACE}/tags", tags.add_several, docs.ADD_TAGS, "add_metadef_tags", body=True),
    Route("DELETE", f"{NAMESPACE}/tags", tags.clear, docs.CLEAR_TAGS, "delete_metadef_namespace"),
    Route("GET", f"{NAMESPACE}/tags/{NAME}", tags.show, docs.SHOW_TAG, "get_metadef_tag"),
    Route("POST", f"{NAMESPACE}/tags/{NAME}", tags.add, docs.ADD_TAG, "add_metadef_tag"),
    Route("PUT", f"{NAMESPACE}/tags/{NAME}", tags.update, docs.UPDATE_TAG, "modify_metadef_tag", body=True),
    Route("DELETE", f"{NAMESPACE}/tags/{NAME}", tags.remove, docs.REMOVE_TAG, "delete_metadef_tag"),
    Route("GET", "/schemas/metadefs/{name}", schemas.show_metadef, docs.SHOW_SCHEMA),
)
