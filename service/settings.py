"""Every setting of the service: one frozen struct, a sentence per field, read from `VITRINE_*` variables."""

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PREFIX = "VITRINE_"


class SettingsError(Exception):
    """A setting is unknown, malformed or missing; the text names the variable and never shows a secret's value."""


class Secret:
    """Text that must not be printed: `str()` and `repr()` hide it, `reveal()` gives it to the one who needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"


# A list of stores begins with a name, one URL does not.
NAMED = re.compile(r"[A-Za-z0-9_.-]+=")

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
# A port, or the first and the last of several.
Ports = Annotated[str, Meta(pattern="^[0-9]{1,5}(-[0-9]{1,5})?$")]
# Without a user and password: these URLs are told to clients.
HttpUrl = Annotated[str, Meta(pattern="^https?://[^/@?#]+(/[^@]*)?$")]
# As browsers send it: no path, no slash at the end, no upper case, no pattern.
Origin = Annotated[str, Meta(pattern=r"^https?://[a-z0-9.:\[\]-]+$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose; a field `x_y` is read from `VITRINE_X_Y`, lists are separated by commas."""

    host: Annotated[str, Meta(description="Address to listen on; the container image sets `0.0.0.0`.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 9292
    public_endpoint: Annotated[
        HttpUrl | None,
        Meta(description="Base URL in links to the service, when clients reach it by another one."),
    ] = None
    workers: Annotated[Count, Meta(description="Processes that share the port; more than one needs PostgreSQL.")] = 1
    cors_allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(description="Origins whose pages may call the API from browsers, as `https://horizon.example`."),
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe log lines to write.")
    ] = "info"
    access_log: Annotated[bool, Meta(description="Write one line per request, not only for failed ones.")] = False
    request_seconds: Annotated[
        Seconds, Meta(description="How long a connection may wait for a request, or a request for its JSON body.")
    ] = 120.0
    drain_seconds: Annotated[
        Seconds, Meta(description="How long running requests may go on after a stop was asked for.")
    ] = 30.0
    unready_seconds: Annotated[
        float,
        Meta(ge=0, description="How long `/readyz` says no before a stop, while requests are still accepted."),
    ] = 0.0

    store: Annotated[
        Secret, Meta(description="Where records live: `memory://` or `postgresql://user:password@host/database`.")
    ] = Secret("memory://")
    store_pool: Annotated[Count, Meta(description="Most connections a process keeps to the database.")] = 10
    store_timeout: Annotated[
        Seconds, Meta(description="Seconds the database may take over one statement before the answer is 503.")
    ] = 5.0

    stores: Annotated[
        Secret | None,
        Meta(
            description="Where data lives: a URL, or `name=URL,name=URL`; each URL may have `weight` and `description`."
        ),
    ] = None
    default_store: Annotated[
        str | None, Meta(description="The store that is meant when none is named; else the first.")
    ] = None
    staging: Annotated[
        Secret | None, Meta(description="URL of a store for data that waits for its import; else the default store.")
    ] = None
    blob_timeout: Annotated[
        Seconds, Meta(description="Seconds a store of data may take over one step before it counts as away.")
    ] = 30.0
    idle_seconds: Annotated[
        Seconds,
        Meta(description="Seconds a client may send, or take, nothing of an image's data before it is given up."),
    ] = 900.0
    image_cache_dir: Annotated[
        str | None, Meta(description="A local folder that keeps copies of data that was downloaded; unset, none is.")
    ] = None
    image_cache_max_size: Annotated[Count, Meta(description="Most bytes of these copies.")] = 10_737_418_240
    image_cache_stall_time: Annotated[
        int, Meta(ge=0, description="Seconds after which what a killed process left there half copied is removed.")
    ] = 86400
    lease_seconds: Annotated[
        Seconds,
        Meta(description="After how long a silence of its process an upload or import is given up or taken over."),
    ] = 30.0
    image_size_cap: Annotated[Count, Meta(description="Most bytes of one image's data.")] = 1_099_511_627_776
    hashing_algorithm: Annotated[
        Literal["sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b"],
        Meta(description="What `os_hash_value` of new data is computed with."),
    ] = "sha512"
    require_image_format_match: Annotated[
        bool, Meta(description="Refuse data of another format than `disk_format` says; unsafe data is refused anyway.")
    ] = True
    gpt_safety_checks_nonfatal: Annotated[
        tuple[str, ...], Meta(description="Safety checks of partition tables, by name, that refuse no data.")
    ] = ()
    enabled_import_methods: Annotated[
        tuple[Literal["glance-direct", "web-download", "copy-image", "glance-download"], ...],
        Meta(description="The ways to import data."),
    ] = ("glance-direct", "web-download", "copy-image")
    glance_download_properties: Annotated[
        tuple[str, ...], Meta(description="With `glance-download`: how names begin of properties that are copied.")
    ] = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
    image_import_plugins: Annotated[
        tuple[Literal["no_op", "inject_image_metadata", "image_decompression", "image_conversion"], ...],
        Meta(description="What imports do besides, but for copies: unfold or convert data, put properties on images."),
    ] = ()
    inject_metadata_properties: Annotated[
        tuple[str, ...], Meta(description="With `inject_image_metadata`: properties as `name:value`.")
    ] = ()
    inject_ignore_user_roles: Annotated[
        tuple[str, ...], Meta(description="Roles of which one spares its holder's images these properties.")
    ] = ("admin",)
    conversion_output_format: Annotated[
        Literal["raw", "qcow2", "vmdk"], Meta(description="With `image_conversion`: the `disk_format` to convert to.")
    ] = "raw"
    conversion_dir: Annotated[
        str | None, Meta(description="A local folder for data that is converted; else that of temporary files.")
    ] = None
    conversion_seconds: Annotated[
        Seconds, Meta(description="Seconds one conversion may take, of the clock as of the processors.")
    ] = 3600.0
    import_workers: Annotated[Count, Meta(description="Most imports that one process works on at a time.")] = 4
    task_time_to_live: Annotated[Count, Meta(description="Hours for which a task that has ended is remembered.")] = 48
    fetch_allowed_networks: Annotated[
        tuple[str, ...],
        Meta(description="Networks such as `10.1.0.0/16` that URLs may lead to, beside the public internet."),
    ] = ()
    allowed_schemes: Annotated[tuple[str, ...], Meta(description="Schemes that URLs to import from may have.")] = (
        "http",
        "https",
    )
    disallowed_schemes: Annotated[
        tuple[str, ...], Meta(description="Where none are allowed by name: schemes they may not have.")
    ] = ()
    allowed_hosts: Annotated[tuple[str, ...], Meta(description="The only hosts that URLs may name, if any.")] = ()
    disallowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Where none are allowed by name: hosts they may not name.")
    ] = ()
    allowed_ports: Annotated[
        tuple[Ports, ...], Meta(description="The only ports that URLs may name, or spans of them such as `1024-65535`.")
    ] = ("80", "443")
    disallowed_ports: Annotated[
        tuple[Ports, ...], Meta(description="Where none are allowed by number: ports, or spans, they may not name.")
    ] = ()
    do_secure_hash: Annotated[
        bool, Meta(description="Read and hash the data of a location that is added by the locations API.")
    ] = True
    http_retries: Annotated[
        int, Meta(ge=0, description="How often reading such data is begun again when it breaks off.")
    ] = 3

    tokens: Annotated[
        Literal["keystone", "static"], Meta(description="Who verifies tokens: Keystone, or a file of tokens.")
    ] = "keystone"
    tokens_file: Annotated[
        str | None, Meta(description="With `static`: the YAML file of tokens and the identities they stand for.")
    ] = None
    token_cache_seconds: Annotated[
        Seconds, Meta(description="How long a verified token is trusted before Keystone is asked again.")
    ] = 60.0
    token_cache_size: Annotated[Count, Meta(description="Most tokens remembered at a time.")] = 10_000
    service_token_roles: Annotated[
        tuple[str, ...], Meta(description="Roles of which an `X-Service-Token` needs one to vouch for expired tokens.")
    ] = ("service",)

    keystone_url: Annotated[
        HttpUrl | None, Meta(description="With `keystone`: its base URL, with or without `/v3`.")
    ] = None
    www_authenticate_uri: Annotated[
        HttpUrl | None, Meta(description="Keystone's URL as clients know it, told in 401; default `KEYSTONE_URL`.")
    ] = None
    keystone_timeout: Annotated[
        Seconds, Meta(description="Seconds Keystone may take to verify a token before the answer is 503.")
    ] = 5.0
    keystone_username: Annotated[str | None, Meta(description="The service's own user, with a password.")] = None
    keystone_password: Annotated[Secret | None, Meta(description="The password of that user.")] = None
    keystone_user_domain: Annotated[str, Meta(description="The name of the domain of that user.")] = "Default"
    keystone_project: Annotated[str, Meta(description="The project that user works in.")] = "service"
    keystone_project_domain: Annotated[str, Meta(description="The name of the domain of that project.")] = "Default"
    keystone_application_credential_id: Annotated[
        str | None, Meta(description="An application credential of the service, instead of user and password.")
    ] = None
    keystone_application_credential_secret: Annotated[
        Secret | None, Meta(description="The secret of that application credential.")
    ] = None

    key_manager_url: Annotated[
        HttpUrl | None,
        Meta(description="Barbican's base URL, to verify images' signatures; else as the caller's catalog has it."),
    ] = None
    key_manager_timeout: Annotated[
        Seconds, Meta(description="Seconds Barbican may take to give a certificate before the answer is 503.")
    ] = 5.0

    policy_file: Annotated[
        str | None, Meta(description="A `policy.yaml` of rules that override the defaults; reloaded when it changes.")
    ] = None
    property_protection_file: Annotated[
        str | None, Meta(description="A file of who may create, read, update and delete which additional properties.")
    ] = None
    property_protection_rule_format: Annotated[
        Literal["roles", "policies"], Meta(description="What that file names: roles, or rules of the policy.")
    ] = "roles"
    show_image_direct_url: Annotated[
        bool, Meta(description="Show `direct_url` to callers who pass `get_image_location`.")
    ] = False
    show_multiple_locations: Annotated[
        bool, Meta(description="Show `locations` to callers who pass `get_image_location`.")
    ] = False
    limit_param_default: Annotated[
        Count, Meta(description="Images on a page of the list, where no `limit` is sent.")
    ] = 25
    api_limit_max: Annotated[Count, Meta(description="Most images on a page of the list, whatever `limit` says.")] = (
        1000
    )
    image_property_quota: Annotated[
        int, Meta(description="Most additional properties of an image; a negative number means any.")
    ] = 128
    image_tag_quota: Annotated[int, Meta(description="Most tags of an image; a negative number means any.")] = 128
    image_member_quota: Annotated[int, Meta(description="Most members of an image; a negative number means any.")] = 128
    image_location_quota: Annotated[
        int, Meta(description="Most locations of an image that patches may give it; a negative number means any.")
    ] = 10
    user_storage_quota: Annotated[
        str,
        Meta(
            pattern="^[0-9]+([KMGT]?B)?$",
            description="Most a project may store, as `500GB`, `TB`, `MB`, `KB` or bytes; 0 means any.",
        ),
    ] = "0"
    use_keystone_limits: Annotated[
        bool,
        Meta(description="Take projects' limits from Keystone instead; our user needs `reader` on its system."),
    ] = False
    limit_endpoint_id: Annotated[
        str | None, Meta(description="With these limits: the id of the image endpoint for which they are registered.")
    ] = None
    body_limit: Annotated[Count, Meta(description="Most bytes of a JSON body; a longer one is answered with 413.")] = (
        4_194_304
    )
    image_schema_file: Annotated[
        str | None, Meta(description="A `schema-image.json` that describes additional properties, checked on writes.")
    ] = None
    container_formats: Annotated[tuple[str, ...], Meta(description="Container formats an image may have.")] = (
        "ami",
        "ari",
        "aki",
        "bare",
        "ovf",
        "ova",
        "docker",
        "compressed",
    )
    disk_formats: Annotated[tuple[str, ...], Meta(description="Disk formats an image may have.")] = (
        "ami",
        "ari",
        "aki",
        "vhd",
        "vhdx",
        "vmdk",
        "raw",
        "qcow2",
        "vdi",
        "iso",
        "ploop",
    )

    @property
    def multi_store(self) -> bool:
        """Whether the stores have names, so that callers may choose among them, and see where an image is."""
        return self.stores is not None and NAMED.match(self.stores.reveal().strip()) is not None

    @property
    def features(self) -> frozenset[str]:
        """What is configured of that on which the list of versions depends (reference section 1.2)."""
        return frozenset({"multi_store"} if self.multi_store else ()) | ({"cache"} if self.image_cache_dir else set())


class Setting(typing.NamedTuple):
    """One setting as people meet it: its variable, its default as text, and the sentence that explains it."""

    variable: str
    default: str
    sentence: str


def describe_settings() -> Iterator[Setting]:
    """List every setting in the order of the struct; the README's table is this list."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    defaults = msgspec.structs.asdict(Settings())
    for name, hint in hints.items():
        sentences = [meta.description for meta in typing.get_args(hint)[1:] if meta.description]
        yield Setting(_variable(name), _default_text(defaults[name]), sentences[-1])


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; an empty variable counts as unset.

    Raises SettingsError for an unknown name or a malformed value. That settings which need each other are all there
    is checked where they are used, so that `vitrine migrate` needs no Keystone.
    """
    types = {_variable(field.name): field for field in msgspec.structs.fields(Settings)}
    chosen: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in types:
            raise SettingsError(f"{variable} is not a setting.{_suggestion(variable, list(types))}")
        if text:
            field = types[variable]
            chosen[field.name] = _convert(variable, text, field.type)
    return Settings(**chosen)


def _convert(variable: str, text: str, kind: Any) -> Any:
    lists = typing.get_origin(_plain(kind)) is tuple
    value = [item.strip() for item in text.split(",") if item.strip()] if lists else text
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{variable} is malformed: {error}.") from None


def _plain(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError(f"Expected `{kind.__name__}`")


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _suggestion(variable: str, known: list[str]) -> str:
    # Without the prefix, which alone makes any two names alike.
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1)
    return f" Did you mean {PREFIX}{close[0]}?" if close else " The README lists all settings."


def _default_text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
