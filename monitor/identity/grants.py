"""What a key or a member may be granted, as it is sent: `read`, or `agents:read` for one slice."""

from typing import Annotated

from pydantic import AfterValidator

from monitor.principal import check_grant

Grant = Annotated[str, AfterValidator(check_grant)]
