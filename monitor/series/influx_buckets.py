"""InfluxDB's buckets: one for each length of time that something is kept, made and kept in step by `migrate`."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import NamedTuple

from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.patch_bucket_request import PatchBucketRequest
from influxdb_client.domain.post_bucket_request import PostBucketRequest
from influxdb_client.service.buckets_service import BucketsService
from influxdb_client.service.organizations_service import OrganizationsService

from monitor.errors import ConfigError
from monitor.series.influx_client import QUERY_TIMEOUT, Denied, Influx, Refusal, answering
from monitor.series.retention import retention_of
from monitor.settings import Settings

SHORTEST = timedelta(hours=1)


class Found(NamedTuple):
    """A bucket as it is."""

    id: str
    keep: timedelta | None


def wanted(influx: Influx, settings: Settings) -> Mapping[str, timedelta]:
    """The buckets by name, with how long each keeps its points."""
    keep = retention_of(settings)
    names = influx.buckets
    times = {
        names.raw: keep["samples"],
        names.minute: keep["rollups_minute"],
        names.hour: keep["rollups_hour"],
        names.day: keep["rollups_day"],
    }
    return {name: max(time, SHORTEST) for name, time in times.items()}


async def find(influx: Influx, name: str) -> Found | None:
    """The bucket of this name, if there is one."""
    try:
        async with answering(QUERY_TIMEOUT):
            found = await BucketsService(influx.client.api_client).get_buckets_async(name=name, org=influx.org)
    except Denied as fault:
        if fault.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    for bucket in found.buckets:
        seconds = [rule.every_seconds for rule in bucket.retention_rules if rule.every_seconds]
        return Found(bucket.id, timedelta(seconds=seconds[0]) if seconds else None)
    return None


async def ensure(influx: Influx, settings: Settings) -> list[str]:
    """Make what is missing and correct how long points are kept; the names of the buckets that changed.

    Raises ConfigError where the token, the organization or a setting is wrong, SeriesDown where nobody answers.
    """
    changed = []
    try:
        for name, keep in wanted(influx, settings).items():
            bucket = await find(influx, name)
            rules = [BucketRetentionRules(type="expire", every_seconds=int(keep.total_seconds()))]
            service = BucketsService(influx.client.api_client)
            if bucket is None:
                request = PostBucketRequest(org_id=await _org_id(influx), name=name, retention_rules=rules)
                async with answering(QUERY_TIMEOUT):
                    await service.post_buckets_async(request)
            elif bucket.keep != keep:
                async with answering(QUERY_TIMEOUT):
                    await service.patch_buckets_id_async(bucket.id, PatchBucketRequest(retention_rules=rules))
            else:
                continue
            changed.append(name)
    except (Denied, Refusal) as fault:
        raise ConfigError(f"AGENT_MONITOR_INFLUX_TOKEN or _ORG is wrong: {fault.message}") from fault
    return changed


async def _org_id(influx: Influx) -> str:
    async with answering(QUERY_TIMEOUT):
        found = await OrganizationsService(influx.client.api_client).get_orgs_async(org=influx.org)
    for org in found.orgs:
        return str(org.id)
    raise ConfigError(f"AGENT_MONITOR_INFLUX_ORG is wrong: InfluxDB has no organization {influx.org!r}")


async def faults(influx: Influx, settings: Settings) -> list[str]:
    """What is not as `ensure` would leave it. Raises SeriesDown where nobody answers, or the token is refused."""
    said = []
    for name, keep in wanted(influx, settings).items():
        bucket = await find(influx, name)
        if bucket is None:
            said.append(f"there is no bucket {name}")
        elif bucket.keep != keep:
            said.append(f"{name} keeps its points {bucket.keep or 'for ever'} and not {keep}")
    return said
