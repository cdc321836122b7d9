"""Who the stories of the Python clients speak for: a session of keystoneauth, or the context of a service."""

from pathlib import Path
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3

from tests.e2e.stories.telling import Cloud


def logged_in(cloud: Cloud, user: str, project: str | None = None) -> session.Session:
    """Give a session of a user in the project of the same name, or another."""
    auth = v3.Password(
        auth_url=cloud.auth_url,
        username=user,
        password=cloud.password,
        project_name=project or user,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return session.Session(auth)


def catalog(session: session.Session) -> list[dict[str, Any]]:
    """Give the catalog in the old shape in which services are handed it by the middleware in front of them."""
    found: dict[str, dict[str, Any]] = {}
    for service in session.auth.get_access(session).service_catalog.catalog:
        addresses: dict[str, str] = {}
        for endpoint in service["endpoints"]:
            addresses |= {f"{endpoint['interface']}URL": endpoint["url"], "region": endpoint["region_id"]}
        found[service["type"]] = {"type": service["type"], "name": service["name"], "endpoints": [addresses]}
    return list(found.values())


def configuration(cloud: Cloud, sections: tuple[str, ...], **settings: str) -> str:
    """Write a service's configuration file, with its own user in the named sections; give its path."""
    user = {
        "auth_type": "password",
        "auth_url": cloud.auth_url,
        "username": "nova",
        "password": cloud.password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": cloud.region,
    }
    lines = ["[DEFAULT]", *(f"{name} = {value}" for name, value in settings.items())]
    for section in sections:
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in user.items())]
    path = Path(cloud.folder) / f"{sections[0]}-{len(sections)}.conf"
    path.write_text("\n".join([*lines, "[service_user]", "send_service_user_token = true"]))
    return str(path)
