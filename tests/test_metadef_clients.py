"""The clients that people have complete their calls: glanceclient, openstacksdk, and the `openstack` command."""

import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.environments import installed
from tests.metadefs import FRAGMENT, WHOLE
from tests.processes import serving

LOCK = Path(__file__).parent / "e2e" / "clients.lock"
TOKENS = "- {token: the-token, user_id: admin, project_id: p1, roles: [admin, member, reader]}\n"

# glanceclient makes its models from the served schemas, and holds every answer against them.
GLANCECLIENT = """
import json, sys
import glanceclient

url, whole, fragment = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
glance = glanceclient.Client("2", endpoint=url, token="the-token")

made = glance.metadefs_namespace.create(**{key: whole[key] for key in ("namespace", "description", "visibility")})
assert made["description"] == whole["description"]
glance.metadefs_resource_type.associate("OS::A", name="OS::Nova::Flavor", prefix="hw:", properties_target="x")
glance.metadefs_property.create("OS::A", name="cores", default=5, **fragment)
glance.metadefs_object.create("OS::A", name="o", required=["cores"], properties={"cores": fragment})
glance.metadefs_tag.create("OS::A", "t")
# Not with append=True: glanceclient 4.13 fails to quote its own header.
assert len(list(glance.metadefs_tag.create_multiple("OS::A", tags=["u", "v"]))) == 2
assert sorted(each["name"] for each in glance.metadefs_tag.list("OS::A")) == ["u", "v"]

shown = glance.metadefs_namespace.get("OS::A")
assert list(shown["properties"]) == ["cores"], shown
assert list(glance.metadefs_namespace.get("OS::A", resource_type="OS::Nova::Flavor")["properties"]) == ["hw:cores"]
for number in range(30):
    glance.metadefs_namespace.create(namespace=f"n{number}")
assert len(list(glance.metadefs_namespace.list(page_size=7))) == 31
filters = {"resource_types": ["OS::Nova::Flavor"]}
assert [each["namespace"] for each in glance.metadefs_namespace.list(filters=filters)] == ["OS::A"]
by_name = glance.metadefs_namespace.list(sort_key="namespace", sort_dir="asc")
assert [each["namespace"] for each in by_name][:2] == ["OS::A", "n0"]

assert glance.metadefs_namespace.update("OS::A", description="new", namespace="OS::B")["description"] == "new"
assert [each["name"] for each in glance.metadefs_resource_type.list()] == ["OS::Nova::Flavor"]
assert [each["prefix"] for each in glance.metadefs_resource_type.get("OS::B")] == ["hw:"]
assert [each["name"] for each in glance.metadefs_property.list("OS::B")] == ["cores"]
assert glance.metadefs_property.get("OS::B", "cores")["default"] == "5"
assert glance.metadefs_property.update("OS::B", "cores", title="New")["title"] == "New"
assert [each["name"] for each in glance.metadefs_object.list("OS::B")] == ["o"]
assert glance.metadefs_object.get("OS::B", "o")["required"] == ["cores"]
assert glance.metadefs_object.update("OS::B", "o", description="new")["description"] == "new"
assert glance.metadefs_tag.get("OS::B", "u")["name"] == "u"
assert glance.metadefs_tag.update("OS::B", "u", name="w")["name"] == "w"

glance.metadefs_tag.delete("OS::B", "w")
glance.metadefs_tag.delete_all("OS::B")
glance.metadefs_object.delete("OS::B", "o")
glance.metadefs_object.delete_all("OS::B")
glance.metadefs_property.delete("OS::B", "cores")
glance.metadefs_property.delete_all("OS::B")
glance.metadefs_resource_type.deassociate("OS::B", "OS::Nova::Flavor")
glance.metadefs_namespace.delete("OS::B")
whole = dict(whole, namespace="whole")
glance.metadefs_namespace.create(**whole)
assert len(glance.metadefs_namespace.get("whole")["objects"]) == 2
for name in ("namespace", "namespaces", "object", "objects", "property", "properties", "resource_type",
             "resource_types", "tag", "tags"):
    assert glance.schemas.get(f"metadefs/{name}")
print("done")
"""

OPENSTACKSDK = """
import json, sys
import openstack

url, fragment = sys.argv[1], json.loads(sys.argv[3])
auth = {"endpoint": f"{url}/v2", "token": "the-token"}
image = openstack.connection.Connection(auth_type="admin_token", auth=auth, image_api_version="2").image

for number in range(30):
    image.create_metadef_namespace(namespace=f"n{number}")
image.create_metadef_namespace(namespace="OS::A", description="d", visibility="public")
assert len(list(image.metadef_namespaces(limit=7))) == 31
assert image.get_metadef_namespace("OS::A").description == "d"
assert image.update_metadef_namespace("OS::A", namespace="OS::A", description="new").description == "new"
image.create_metadef_resource_type_association("OS::A", name="OS::Nova::Flavor", prefix="hw:")
assert [each.name for each in image.metadef_resource_types()] == ["OS::Nova::Flavor"]
assert [each.prefix for each in image.metadef_resource_type_associations("OS::A")] == ["hw:"]
image.create_metadef_property("OS::A", name="cores", **fragment)
assert [each.name for each in image.metadef_properties("OS::A")] == ["cores"]
assert image.get_metadef_property("cores", "OS::A").title == fragment["title"]
assert image.update_metadef_property("cores", "OS::A", name="cores", title="New", type="integer").title == "New"
image.create_metadef_object("OS::A", name="o", description="d")
assert [each.name for each in image.metadef_objects("OS::A")] == ["o"]
assert image.get_metadef_object("o", "OS::A").description == "d"
assert image.update_metadef_object("o", "OS::A", name="p").name == "p"
image.delete_metadef_object("p", "OS::A")
image.delete_all_metadef_objects("OS::A")
image.delete_metadef_property("cores", "OS::A")
image.delete_all_metadef_properties("OS::A")
image.delete_metadef_resource_type_association("OS::Nova::Flavor", "OS::A")
image.delete_metadef_namespace("OS::A")
for call in (image.get_metadef_namespace_schema, image.get_metadef_namespaces_schema, image.get_metadef_object_schema,
             image.get_metadef_property_schema, image.get_metadef_resource_type_schema, image.get_metadef_tag_schema):
    assert call().properties
print("done")
"""

COMMANDS = """
namespace create --public --description d OS::A
namespace list -f json
namespace set --display-name N --private OS::A
namespace show OS::A -f json
resource type list -f json
resource type association create OS::A OS::Nova::Flavor
resource type association list OS::A -f json
property create --name cores --title Cores --type integer --schema {} OS::A
property list OS::A -f json
property show OS::A cores -f json
property set --name cores --title New --type integer OS::A cores
property delete OS::A cores
object create --namespace OS::A o
object list OS::A -f json
object show OS::A o -f json
object update OS::A o --name p
object delete OS::A p
resource type association delete OS::A OS::Nova::Flavor
namespace delete OS::A
"""


@pytest.fixture(scope="session")
def clients() -> Path:
    """Give the folder of the clients' commands."""
    return installed(LOCK).parent


@pytest.fixture
async def service(database: str, tmp_path: Path) -> AsyncIterator[str]:
    """Give the URL of a running service on an empty database."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    async with serving(tokens="static", tokens_file=str(tmp_path / "tokens.yaml"), store=database) as (_, url):
        yield url


def run(*command: str | Path) -> str:
    """Run a client's command without any settings of this machine's."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command[1:]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("script", [GLANCECLIENT, OPENSTACKSDK], ids=["glanceclient", "openstacksdk"])
async def test_a_library_completes_its_calls(service: str, clients: Path, script: str) -> None:
    output = run(clients / "python", "-c", script, service, json.dumps(WHOLE), json.dumps(FRAGMENT))
    assert output.endswith("done\n")


async def test_the_openstack_command_completes_its_calls(service: str, clients: Path) -> None:
    access = ("--os-auth-type", "admin_token", "--os-endpoint", f"{service}/v2", "--os-token", "the-token")
    for line in COMMANDS.strip().splitlines():
        run(clients / "openstack", *access, "image", "metadef", *line.split())
