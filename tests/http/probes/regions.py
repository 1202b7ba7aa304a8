"""Where data may be."""

from tests.http.probes.probe import Probe, own

PROBES: dict[str, Probe] = {
    "GET /api/v1/regions": own(everybodys=True),
    "GET /api/v1/tenant/regions": own(),
}
