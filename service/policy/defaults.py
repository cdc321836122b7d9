"""The rules of the service and what each asks of the caller, until an operator says otherwise."""

from typing import NamedTuple


class Rule(NamedTuple):
    """A rule's name, its check in the policy language, and what it guards."""

    name: str
    check: str
    sentence: str


_ADMIN = "rule:context_is_admin"
_SERVICE = "rule:service_api"
_OWN = "project_id:%(project_id)s"
_SHARED_WITH = "project_id:%(member_id)s"
_FINDABLE = (
    f"({_OWN} or {_SHARED_WITH} or 'public':%(visibility)s or 'community':%(visibility)s or 'shared':%(visibility)s)"
)

_MEMBER = f"{_ADMIN} or (role:member and {_OWN})"
_READER = f"{_ADMIN} or (role:reader and {_OWN})"
_CREATE = f"{_ADMIN} or (role:member and {_OWN} and project_id:%(owner)s)"
_SEE = f"{_ADMIN} or (role:reader and {_FINDABLE})"
_FETCH = f"{_ADMIN} or (role:member and {_FINDABLE})"
_SEE_NAMESPACE = f"{_ADMIN} or (role:reader and ({_OWN} or 'public':%(visibility)s))"
_METADEFS = "rule:metadef_admin"
_SHARED_MEMBER = f"{_ADMIN} or (role:member and {_SHARED_WITH})"
_READER_OR_SHARED = f"{_ADMIN} or (role:reader and ({_OWN} or {_SHARED_WITH}))"
_SERVICE_OR_MEMBER = f"{_SERVICE} or (role:member and {_OWN} and project_id:%(owner)s)"

# Names and meanings are those of Glance's defaults (reference appendix A), because operators' files rely on both.
RULES = (
    Rule("context_is_admin", "role:admin", "Be an administrator: see every image, and pass the rules that refer here."),
    Rule("default", "", "What rules without a check of their own refer to."),
    Rule("service_api", "role:service or role:admin", "Call what is meant for other services."),
    Rule("add_image", _CREATE, "Create an image."),
    Rule("get_image", _SEE, "Show an image."),
    Rule("get_images", _READER, "List images."),
    Rule("modify_image", _MEMBER, "Change an image."),
    Rule("delete_image", _MEMBER, "Delete an image."),
    Rule("publicize_image", _ADMIN, "Make an image public."),
    Rule("communitize_image", _MEMBER, "Make an image a community image."),
    Rule("download_image", _FETCH, "Download an image's data."),
    Rule("download_from_store", _FETCH, "Choose the store that data is downloaded from."),
    Rule("upload_image", _MEMBER, "Upload an image's data."),
    Rule("copy_image", _ADMIN, "Copy an image's data to other stores."),
    Rule("set_image_location", _MEMBER, "Set where an image's data is, when changing the image."),
    Rule("get_image_location", _READER, "See where an image's data is."),
    Rule("delete_image_location", _ADMIN, "Forget one of the places where an image's data is."),
    Rule("add_image_location", _SERVICE_OR_MEMBER, "Add a place where an image's data is, by the locations API."),
    Rule("fetch_image_location", _SERVICE, "List the places where an image's data is, by the locations API."),
    Rule("deactivate", _MEMBER, "Deactivate an image."),
    Rule("reactivate", _MEMBER, "Reactivate an image."),
    Rule("add_member", _MEMBER, "Share an image with a project."),
    Rule("delete_member", _MEMBER, "Stop sharing an image with a project."),
    Rule("get_member", _READER_OR_SHARED, "Show what a project made of an image shared with it."),
    Rule("get_members", _READER_OR_SHARED, "List the projects that an image is shared with."),
    Rule("modify_member", _SHARED_MEMBER, "Accept or reject an image that is shared with the caller's project."),
    Rule("stores_info_detail", f"{_ADMIN} or {_SERVICE}", "See the configuration of the stores."),
    Rule("manage_image_cache", _ADMIN, "Manage the cache by its old API."),
    Rule("cache_image", _ADMIN, "Queue an image for the cache."),
    Rule("cache_list", _ADMIN, "List what the cache holds."),
    Rule("cache_delete", _ADMIN, "Remove images from the cache or its queue."),
    Rule("cache_clean", _ADMIN, "Remove invalid and stalled entries from the cache."),
    Rule("cache_prune", _ADMIN, "Shrink the cache to its size limit."),
    Rule("list_cached_nodes", _ADMIN, "List the nodes whose cache holds an image."),
    Rule("tasks_api_access", _ADMIN, "Call the tasks API."),
    Rule("get_task", "rule:default", "Not asked by any call; old policy files name it."),
    Rule("get_tasks", "rule:default", "Not asked by any call; old policy files name it."),
    Rule("add_task", "rule:default", "Not asked by any call; old policy files name it."),
    Rule("modify_task", "rule:default", "Not asked by any call; old policy files name it."),
    Rule("metadef_default", "", "Not asked by any call; old policy files name it."),
    Rule("metadef_admin", _ADMIN, "Change metadata definitions, where no rule below says otherwise."),
    Rule("get_metadef_namespaces", _READER, "List namespaces of metadata definitions."),
    Rule("get_metadef_namespace", _SEE_NAMESPACE, "Know of a namespace, and show its own fields."),
    Rule("add_metadef_namespace", _METADEFS, "Create a namespace."),
    Rule("modify_metadef_namespace", _METADEFS, "Change a namespace's own fields."),
    Rule("delete_metadef_namespace", _METADEFS, "Delete a namespace, or all objects, properties or tags of it."),
    Rule("get_metadef_objects", _SEE_NAMESPACE, "List a namespace's objects."),
    Rule("get_metadef_object", _SEE_NAMESPACE, "Show an object."),
    Rule("add_metadef_object", _METADEFS, "Add an object to a namespace."),
    Rule("modify_metadef_object", _METADEFS, "Change an object."),
    Rule("delete_metadef_object", _METADEFS, "Delete an object."),
    Rule("list_metadef_resource_types", _SEE_NAMESPACE, "List resource types, or those of a namespace."),
    Rule("get_metadef_resource_type", _SEE_NAMESPACE, "Show a resource type of a namespace."),
    Rule("add_metadef_resource_type_association", _METADEFS, "Associate a namespace with a resource type."),
    Rule("remove_metadef_resource_type_association", _METADEFS, "End the association with a resource type."),
    Rule("get_metadef_properties", _SEE_NAMESPACE, "List a namespace's properties."),
    Rule("get_metadef_property", _SEE_NAMESPACE, "Show a property."),
    Rule("add_metadef_property", _METADEFS, "Add a property to a namespace."),
    Rule("modify_metadef_property", _METADEFS, "Change a property."),
    Rule("remove_metadef_property", _METADEFS, "Delete a property."),
    Rule("get_metadef_tags", _SEE_NAMESPACE, "List a namespace's tags."),
    Rule("get_metadef_tag", _SEE_NAMESPACE, "Show a tag."),
    Rule("add_metadef_tag", _METADEFS, "Add a tag to a namespace."),
    Rule("add_metadef_tags", _METADEFS, "Add several tags to a namespace, or replace all it has."),
    Rule("modify_metadef_tag", _METADEFS, "Rename a tag."),
    Rule("delete_metadef_tag", _METADEFS, "Delete a tag."),
    Rule("delete_metadef_tags", _METADEFS, "Delete all tags of a namespace."),
)
