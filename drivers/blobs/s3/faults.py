"""What an S3 server may refuse, said in the contract's errors; its own texts hold names, paths and keys."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from obstore import exceptions

from drivers.blobs.resume import Interrupted
from drivers.errors import BlobExists, BlobNotFound, StoreError, StoreFull, StoreUnavailable

STATUS = re.compile(r"non-2xx status code: (\d{3})")
CODE = re.compile(rb"<Code>(\w+)</Code>")
EXISTS = "There is an object of this name already."
MISSING = "There is no object of this name."
REFUSED = "The S3 server refuses the keys of the store's URL: check them."
FORBIDDEN = "The S3 server forbids this: check the keys of the store's URL, and what they may do in the bucket."
FULL = "The S3 server has no room left."
NO_BUCKET = "The S3 server has no bucket of the name in the store's URL: create it."


class UploadGone(StoreUnavailable):
    """The multipart upload was completed or aborted."""


# By the code of an error, or by the status where there is none: answers to HEAD have no body.
REMEDIES: Mapping[str | int, StoreError] = MappingProxyType(
    {
        401: StoreUnavailable(FORBIDDEN),
        403: StoreUnavailable(FORBIDDEN),
        404: BlobNotFound(MISSING),
        412: BlobExists(EXISTS),
        507: StoreFull(FULL),
        "AccessDenied": StoreUnavailable(FORBIDDEN),
        "AllAccessDisabled": StoreUnavailable(FORBIDDEN),
        "AuthorizationHeaderMalformed": StoreUnavailable("The S3 server expects another region in the store's URL."),
        "EntityTooLarge": StoreFull("The object is larger than the S3 server takes."),
        "ExpiredToken": StoreUnavailable(REFUSED),
        "InvalidAccessKeyId": StoreUnavailable(REFUSED),
        "InsufficientCapacity": StoreFull(FULL),
        "InsufficientStorage": StoreFull(FULL),
        "NoSuchBucket": StoreUnavailable(NO_BUCKET),
        "NoSuchUpload": UploadGone("The upload was ended from elsewhere."),
        "QuotaExceeded": StoreFull("The quota of the bucket, or of its user, is used up."),
        "RequestTimeTooSkewed": StoreUnavailable("The clocks of this machine and of the S3 server differ: set them."),
        "SignatureDoesNotMatch": StoreUnavailable(REFUSED),
        "XMinioStorageFull": StoreFull(FULL),
    }
)
PASSING = frozenset({429, 500, 502, 503, 504})
PASSING_CODES = frozenset({"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown"})


def fault(status: int, body: bytes) -> StoreError:
    """Give the error that an answer of S3 means."""
    match = CODE.search(body)
    code = match[1].decode() if match else ""
    if remedy := REMEDIES.get(code, REMEDIES.get(status)):
        # A new one, since an exception that is raised remembers where.
        return type(remedy)(str(remedy))
    if status in PASSING or code in PASSING_CODES:
        return Interrupted(f"The S3 server cannot answer now ({status}).")
    return StoreUnavailable(f"The S3 server refuses the request ({status} {code}).")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what obstore raises while it reads into the contract's errors; what may pass is Interrupted."""
    try:
        yield
    except exceptions.PreconditionError as error:
        raise StoreUnavailable("The object was replaced while it was read.") from error
    except (exceptions.BaseError, OSError, TimeoutError) as error:
        # obstore tells missing objects and permissions apart by its classes, but only for some of its calls.
        if status := STATUS.search(str(error)):
            raise fault(int(status[1]), str(error).encode()) from error
        raise Interrupted(f"The S3 server does not answer ({type(error).__name__}).") from error
