"""What the Kubernetes manifests, the compose file and the page that explains them promise."""

import os
import re
import shutil
import subprocess
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Secret, Settings, describe_settings, read_settings
from service.tokens.static import read_tokens
from tests.conftest import Client

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
BASE, DEMO, POSTGRES = (DEPLOY / "kustomize" / name for name in ("base", "overlays/demo", "overlays/postgres"))
# The oldest in which every field in use works without a feature gate, and the newest there are schemas of.
KUBERNETES_VERSIONS = ("1.27.0", kubernetes_validate.latest_version())
# `max_connections` less those that PostgreSQL keeps for superusers.
POSTGRES_CONNECTIONS = 97
DEFAULTS = {setting.variable: setting.default for setting in describe_settings()}

Manifest = dict[str, Any]


def built(folder: Path) -> list[Manifest]:
    """Build a folder as `kubectl apply -k` would."""
    run = subprocess.run([*kustomize(), str(folder)], stdout=subprocess.PIPE, check=True)
    return list(yaml.safe_load_all(run.stdout))


def kustomize() -> Sequence[str]:
    for command in (("kustomize", "build"), ("kubectl", "kustomize")):
        if shutil.which(command[0]):
            return command
    reason = "kubectl 1.27 or newer (or kustomize 5) is needed to build the manifests, and neither is on the PATH"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (manifest,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return manifest


def pod_templates(manifests: list[Manifest]) -> list[Manifest]:
    return [manifest["spec"]["template"] for manifest in manifests if manifest["kind"] in {"Deployment", "Job"}]


def pod_specs(manifests: list[Manifest]) -> list[Manifest]:
    return [template["spec"] for template in pod_templates(manifests)]


def containers(manifests: list[Manifest]) -> list[Manifest]:
    return [container for pod in pod_specs(manifests) for container in pod["containers"]]


def server_pod(manifests: list[Manifest]) -> Manifest:
    return dict(only(manifests, "Deployment")["spec"]["template"]["spec"])


def server(manifests: list[Manifest]) -> Manifest:
    return dict(server_pod(manifests)["containers"][0])


def plain_settings(manifests: list[Manifest]) -> dict[str, str]:
    return dict(only(manifests, "ConfigMap")["data"])


def secret_settings(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    return [(entry["name"], entry["valueFrom"]) for one in containers(manifests) for entry in one.get("env", [])]


def seconds(settings: dict[str, str], name: str) -> float:
    return float((DEFAULTS | settings)[f"VITRINE_{name}"])


def longest_stop(settings: dict[str, str]) -> float:
    """Add up the stop of a service that is stuck; aiohttp waits the drain once more for requests it has cancelled."""
    drain = seconds(settings, "DRAIN_SECONDS")
    return seconds(settings, "UNREADY_SECONDS") + 2 * drain + seconds(settings, "STORE_TIMEOUT")


@pytest.fixture(scope="module", params=[BASE, DEMO, POSTGRES], ids=lambda folder: folder.name)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return built(request.param)


@pytest.fixture(scope="module")
def demo() -> list[Manifest]:
    return built(DEMO)


@pytest.fixture(scope="module")
def postgres() -> list[Manifest]:
    return built(POSTGRES)


@pytest.fixture(scope="module")
def compose() -> Manifest:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


# The manifests


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_manifest_fits_the_kubernetes_schemas(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_a_misspelt_field_does_not_fit_the_schemas(demo: list[Manifest], version: str) -> None:
    misspelt = {"replica": 1, **only(demo, "Deployment")["spec"]}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(only(demo, "Deployment") | {"spec": misspelt}, version, strict=True)


def test_no_pod_can_write_its_root_file_system(manifests: list[Manifest]) -> None:
    for container in containers(manifests):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert all(mount["readOnly"] for mount in container.get("volumeMounts", []))


def test_every_pod_passes_the_restricted_pod_security_standard(manifests: list[Manifest]) -> None:
    for pod in pod_specs(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert all(volume.keys() <= {"name", "secret", "configMap"} for volume in pod.get("volumes", []))
    for container in containers(manifests):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_pods_run_as_the_user_of_the_image(manifests: list[Manifest]) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    for pod in pod_specs(manifests):
        context = pod["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2]))


def test_no_pod_holds_a_token_of_the_cluster(manifests: list[Manifest]) -> None:
    account = only(manifests, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for pod in pod_specs(manifests):
        assert pod["serviceAccountName"] == account["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is False


def test_links_to_services_cannot_pass_for_settings(manifests: list[Manifest]) -> None:
    assert all(pod["enableServiceLinks"] is False for pod in pod_specs(manifests))


def test_every_container_says_what_it_needs_and_has_a_limit_of_memory(manifests: list[Manifest]) -> None:
    for container in containers(manifests):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_every_setting_named_in_a_manifest_exists_and_has_a_value_that_fits(manifests: list[Manifest]) -> None:
    assert {name for name, _ in secret_settings(manifests)} <= DEFAULTS.keys()
    read_settings(plain_settings(manifests))


def test_no_secret_value_is_in_the_manifests(postgres: list[Manifest]) -> None:
    hints = typing.get_type_hints(Settings)
    secret = {f"VITRINE_{name.upper()}" for name, hint in hints.items() if Secret in (hint, *typing.get_args(hint))}
    assert {"VITRINE_STORE", "VITRINE_KEYSTONE_PASSWORD"} <= secret
    assert not secret & plain_settings(postgres).keys()
    assert all(source.keys() == {"secretKeyRef"} for _, source in secret_settings(postgres))
    assert not [manifest for manifest in postgres if manifest["kind"] == "Secret"]


def test_the_only_secrets_of_the_demo_are_tokens_that_say_so(demo: list[Manifest]) -> None:
    assert only(demo, "Secret")["data"].keys() == {"tokens.yaml"}
    assert all(token.startswith("demo-") for token in read_tokens(str(DEMO / "tokens.yaml")))


def test_the_demo_reads_the_tokens_where_they_are_mounted(demo: list[Manifest]) -> None:
    (mount,) = server(demo)["volumeMounts"]
    assert plain_settings(demo)["VITRINE_TOKENS_FILE"] == f"{mount['mountPath']}/tokens.yaml"


def test_the_demo_never_has_two_memories(demo: list[Manifest]) -> None:
    deployment = only(demo, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert not [manifest for manifest in demo if manifest["kind"] == "HorizontalPodAutoscaler"]


def test_the_grace_period_outlasts_the_longest_stop(manifests: list[Manifest]) -> None:
    assert server_pod(manifests)["terminationGracePeriodSeconds"] > longest_stop(plain_settings(manifests))


def test_requests_are_still_accepted_while_nodes_learn_that_a_pod_stops(manifests: list[Manifest]) -> None:
    assert seconds(plain_settings(manifests), "UNREADY_SECONDS") > 0


def test_the_probe_of_readiness_waits_longer_than_the_service_for_its_database(manifests: list[Manifest]) -> None:
    probe = server(manifests)["readinessProbe"]
    assert probe["timeoutSeconds"] > seconds(plain_settings(manifests), "STORE_TIMEOUT")


def test_a_database_that_is_away_makes_pods_unready_and_restarts_none(manifests: list[Manifest]) -> None:
    paths = {
        name: server(manifests)[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


async def test_the_probes_need_no_token(client: Client) -> None:
    for path in ("/livez", "/readyz"):
        response = await client.get(path)
        assert response.status == 200


def test_an_update_takes_no_pod_away_before_its_successor_is_ready(postgres: list[Manifest]) -> None:
    assert only(postgres, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_all_replicas_fit_into_the_connections_postgres_has_by_default(postgres: list[Manifest]) -> None:
    surge = only(postgres, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    replicas = only(postgres, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] + surge
    pool = int((DEFAULTS | plain_settings(postgres))["VITRINE_STORE_POOL"])
    migration = 1
    assert replicas * pool + migration <= POSTGRES_CONNECTIONS


def test_a_drained_node_leaves_a_replica_that_serves(postgres: list[Manifest]) -> None:
    assert only(postgres, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2
    assert only(postgres, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_autoscaler_and_only_it_counts_the_replicas(postgres: list[Manifest]) -> None:
    deployment = only(postgres, "Deployment")
    target = only(postgres, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]


def test_servers_are_selected_and_the_migration_is_not(postgres: list[Manifest]) -> None:
    serving, migrating = (template["metadata"]["labels"].items() for template in pod_templates(postgres))
    spread = server_pod(postgres)["topologySpreadConstraints"]
    selectors = [
        only(postgres, "Service")["spec"]["selector"],
        only(postgres, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
    ]
    for selector in selectors:
        assert selector.items() <= serving
        assert not selector.items() <= migrating


def test_the_service_reaches_the_port_that_the_server_listens_on(manifests: list[Manifest]) -> None:
    (port,) = server(manifests)["ports"]
    assert str(port["containerPort"]) == (DEFAULTS | plain_settings(manifests))["VITRINE_PORT"]
    assert only(manifests, "Service")["spec"]["ports"][0]["targetPort"] == port["name"]


def test_the_network_policy_binds_every_pod_to_the_ports_it_needs(postgres: list[Manifest]) -> None:
    policy = only(postgres, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    for template in pod_templates(postgres):
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    reached = {way: {port["port"] for rule in policy[way] for port in rule["ports"]} for way in ("ingress", "egress")}
    assert reached == {"ingress": {9292}, "egress": {53, 5432, 80, 443, 5000, 9311, 35357}}


def test_a_finished_migration_makes_room_for_that_of_the_next_version(postgres: list[Manifest]) -> None:
    job = only(postgres, "Job")["spec"]
    assert job["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    assert job["ttlSecondsAfterFinished"] <= 300


def test_the_migration_is_given_the_database_and_nothing_else(postgres: list[Manifest]) -> None:
    (container,) = only(postgres, "Job")["spec"]["template"]["spec"]["containers"]
    assert [variable["name"] for variable in container["env"]] == ["VITRINE_STORE"]
    assert "envFrom" not in container


def test_every_container_runs_the_version_of_this_tree(
    manifests: list[Manifest], compose: Manifest, version: str
) -> None:
    images = {container["image"] for container in containers(manifests)}
    assert images | {compose["services"]["vitrine"]["image"]} == {f"vitrine:{version}"}


# The compose file


def test_compose_migrates_once_the_database_answers_and_serves_once_it_has_migrated(compose: Manifest) -> None:
    services = compose["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["vitrine"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert [services[name]["command"] for name in ("migrate", "vitrine")] == [["migrate"], ["serve"]]


def test_compose_gives_its_containers_no_more_rights_than_a_pod_has(compose: Manifest) -> None:
    for name in ("migrate", "vitrine"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        writable = [volume for volume in service.get("volumes", []) if not volume.endswith(":ro")]
        assert writable == (["data:/var/lib/vitrine"] if name == "vitrine" else [])


def test_compose_lets_only_this_machine_in_since_its_tokens_are_public(compose: Manifest) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:9292:9292"]


def test_compose_mounts_tokens_that_exist_where_the_service_reads_them(compose: Manifest) -> None:
    service = compose["services"]["vitrine"]
    source, target, _ = next(volume for volume in service["volumes"] if volume.endswith(":ro")).split(":")
    assert read_tokens(str(DEPLOY / source))
    assert read_settings(service["environment"]).tokens_file == target


def test_compose_keeps_data_in_a_volume_where_the_service_puts_it(compose: Manifest) -> None:
    stores = read_settings(compose["services"]["vitrine"]["environment"]).stores
    assert stores
    assert stores.reveal() == "file:///var/lib/vitrine"
    assert "data" in compose["volumes"]


def test_compose_names_one_database_for_all_of_its_services(compose: Manifest) -> None:
    services = compose["services"]
    database = services["postgres"]["environment"]
    user, password = database["POSTGRES_USER"], database["POSTGRES_PASSWORD"]
    for name in ("migrate", "vitrine"):
        store = read_settings(services[name]["environment"]).store.reveal()
        assert store == f"postgresql://{user}:{password}@postgres/{user}"


def test_compose_lets_the_service_stop_as_long_as_it_takes(compose: Manifest) -> None:
    service = compose["services"]["vitrine"]
    assert int(service["stop_grace_period"].removesuffix("s")) > longest_stop(service["environment"])


# The page


def test_the_overlay_in_the_readme_builds_into_the_site_it_describes(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    (overlay,) = (block for block in blocks if "kind: Kustomization" in block)
    here = os.path.relpath(DEPLOY, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("../vitrine/deploy", here))
    site = built(tmp_path)
    assert only(site, "Job")["metadata"]["name"] == "vitrine-migrate"
    assert {container["image"] for container in containers(site)} == {"registry.example.org/vitrine:0.1.0"}
    assert {manifest["metadata"]["namespace"] for manifest in site} == {"images"}
    assert plain_settings(site)["VITRINE_KEYSTONE_URL"] == "https://identity.example.org"
    assert server(site)["envFrom"] == [{"configMapRef": {"name": only(site, "ConfigMap")["metadata"]["name"]}}]


def test_the_readme_names_the_secrets_that_the_pods_ask_for(postgres: list[Manifest]) -> None:
    page = (DEPLOY / "README.md").read_text()
    for _, source in secret_settings(postgres):
        reference = source["secretKeyRef"]
        assert f"secret generic {reference['name']} --from-file={reference['key']}=" in page
