"""Moto as an S3 server, with one thing mended: its multipart uploads all began in 2010."""

import sys
from datetime import UTC, datetime
from typing import Any

from moto.s3.models import FakeMultipart
from moto.s3.responses import S3Response
from moto.server import main


def mend() -> None:
    """Let uploads be listed with the time at which they began."""
    begun: dict[str, str] = {}
    create, serialize = FakeMultipart.__init__, S3Response.serialized

    def dated(self: FakeMultipart, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        begun[self.id] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def listed(self: S3Response, answer: Any) -> Any:
        for upload in answer.result.get("Uploads", ()) if isinstance(answer.result, dict) else ():
            upload["Initiated"] = begun[upload["UploadId"]]
        return serialize(self, answer)

    setattr(FakeMultipart, "__init__", dated)  # noqa: B010 - what mypy rightly forbids to be written plainly
    setattr(S3Response, "serialized", listed)  # noqa: B010 - the same


if __name__ == "__main__":
    mend()
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
