"""The documentation of images' data."""

from service.openapi.images import IMAGE_ID
from service.openapi.operation import Answer, Header, Operation, Parameter

OCTETS = "application/octet-stream"
SIZE = Parameter("header", "x-openstack-image-size", "How many bytes will come; another number is refused.", int)
STORE = Parameter("header", "X-Image-Meta-Store", "The store to keep the data in; else the default.")
NOT_OCTETS = Answer("The body is not octets, or not what the image claims to be; nothing of it is kept.")
TOO_MUCH = Answer("The data is larger than an image may be, or than the project or the store has room for.")

DATA_HEADERS = {
    "Accept-Ranges": Header("`bytes`."),
    "Content-MD5": Header("The MD5 of all the data, in hex.", promised=False),
    "ETag": Header("Names the data.", promised=False),
    "Repr-Digest": Header("The hash of all the data (RFC 9530).", promised=False),
    "X-Content-Type-Options": Header("`nosniff`."),
}

UPLOAD_DATA = Operation(
    "Image data",
    "Upload an image's data",
    {
        204: Answer("All of the data is safe, is what was signed if anything was, and the image active."),
        408: Answer("The client sent nothing for too long; nothing of the data is kept."),
        409: Answer("The image is not queued for its data."),
        410: Answer("The image was deleted meanwhile, or the store takes no data."),
        413: TOO_MUCH,
        415: NOT_OCTETS,
    },
    (IMAGE_ID, STORE, SIZE),
    {OCTETS: bytes},
)
STAGE_DATA = Operation(
    "Image data",
    "Stage an image's data for its import",
    dict(UPLOAD_DATA.answers) | {204: Answer("All of the data is safe, and waits for the import.")},
    (IMAGE_ID, SIZE),
    {OCTETS: bytes},
)
DOWNLOAD_DATA = Operation(
    "Image data",
    "Download an image's data",
    {
        200: Answer("All of the data.", {OCTETS: bytes}, DATA_HEADERS),
        204: Answer("The image has no data yet."),
        206: Answer(
            "The part that was asked for.", {OCTETS: bytes}, DATA_HEADERS | {"Content-Range": Header("Which.")}
        ),
        304: Answer("The data is that of `If-None-Match`.", headers={"ETag": DATA_HEADERS["ETag"]}),
        403: Answer("The policy refuses, or the image is deactivated."),
        412: Answer("The data is not that of `If-Match`."),
        416: Answer("The range is not one of the data's."),
    },
    (
        IMAGE_ID,
        Parameter("query", "prefer", "Stores to read from if they have the data, separated by commas."),
        Parameter("header", "Range", "`bytes=first-last`, `bytes=first-` or `bytes=-last`; one only."),
        Parameter("header", "If-Match", "Send nothing unless this is the `ETag` of the data."),
        Parameter("header", "If-Range", "Send all of the data unless this is its `ETag`."),
        Parameter("header", "If-None-Match", "The `ETag` of data that is there already."),
    ),
)
HEAD_DATA = DOWNLOAD_DATA._replace(summary="Show the headers of an image's data")
