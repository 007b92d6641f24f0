"""Every call that openstacksdk's cloud layer has for container infrastructure, each reported as a line of JSON."""
import json
import sys
import time

import openstack
from openstack.cloud import _coe

called = set()


class Watched:
    """A connection that notes which of the calls were made."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        called.add(name)
        return getattr(self._connection, name)


def report(name, ok, detail=''):
    print(json.dumps({'name': name, 'ok': bool(ok), 'detail': str(detail)[:2000]}), flush=True)


def step(name):
    """Runs a function at once and reports whether its assertions held; what it returns is the step's."""
    def run(f):
        try:
            result = f()
        except Exception as e:  # each step has a verdict of its own
            report(name, False, '%s: %s' % (type(e).__name__, e))
            sys.exit(1)
        report(name, True)
        return result
    return run


def wait(cloud, status):
    deadline = time.time() + 120
    while time.time() < deadline:
        cluster = cloud.get_coe_cluster('dev')
        if cluster is None:
            assert status is None, 'the cluster is gone'
            return None
        if cluster['status'] == status:
            return cluster
        assert not cluster['status'].endswith('_FAILED'), cluster
        time.sleep(0.3)
    raise AssertionError('the cluster is not ' + str(status))


cloud = Watched(openstack.connect())
csr = sys.stdin.read()


@step('create_cluster_template')
def template():
    t = cloud.create_cluster_template('k8s', image_id='ubuntu-24.04-kube-v1.37.2', coe='kubernetes', flavor_id='m1.medium',
                                      master_flavor_id='m1.medium', external_network_id='public', network_driver='calico')
    assert t['name'] == 'k8s' and t['coe'] == 'kubernetes' and t['flavor_id'] == 'm1.medium' and t['cluster_distro'] == 'ubuntu', t
    return t['id']


@step('create_coe_cluster_template')
def _():
    assert cloud.create_coe_cluster_template('second', image_id='ubuntu-24.04-kube-v1.37.2', coe='kubernetes')['name'] == 'second'


@step('create_baymodel')
def _():
    assert cloud.create_baymodel('third', image_id='ubuntu-24.04-kube-v1.37.2', coe='kubernetes')['name'] == 'third'


for call in ('list_cluster_templates', 'list_coe_cluster_templates', 'list_baymodels'):
    @step(call)
    def _():
        assert sorted(t['name'] for t in getattr(cloud, call)()) == ['k8s', 'second', 'third']

for call in ('search_cluster_templates', 'search_coe_cluster_templates', 'search_baymodels'):
    @step(call)
    def _():
        assert [t['id'] for t in getattr(cloud, call)('k8s')] == [template]

for call in ('get_cluster_template', 'get_coe_cluster_template', 'get_baymodel'):
    @step(call)
    def _():
        assert getattr(cloud, call)(template)['name'] == 'k8s' and getattr(cloud, call)('nope') is None

for number, call in enumerate(('update_cluster_template', 'update_coe_cluster_template', 'update_baymodel')):
    @step(call)
    def _():
        assert getattr(cloud, call)('second', 'replace', dns_nameserver='8.8.8.%d' % number)['dns_nameserver'] == '8.8.8.%d' % number \
            if number else getattr(cloud, call)('second', 'add', dns_nameserver='8.8.8.0')['dns_nameserver'] == '8.8.8.0'


@step('create_coe_cluster')
def cluster():
    return cloud.create_coe_cluster('dev', template, node_count=1, master_count=1)['id']


@step('get_coe_cluster')
def _():
    c = wait(cloud, 'CREATE_COMPLETE')
    assert c['id'] == cluster and c['node_count'] == 1 and c['master_count'] == 1 and c['cluster_template_id'] == template and c['stack_id'], c


@step('list_coe_clusters')
def _():
    assert [c['id'] for c in cloud.list_coe_clusters()] == [cluster]


@step('search_coe_clusters')
def _():
    assert [c['name'] for c in cloud.search_coe_clusters(cluster)] == ['dev'] and cloud.search_coe_clusters('nope') == []


@step('update_coe_cluster')
def _():
    assert cloud.update_coe_cluster('dev', 'replace', node_count=2)['status'] == 'UPDATE_IN_PROGRESS'
    assert wait(cloud, 'UPDATE_COMPLETE')['node_count'] == 2


@step('get_coe_cluster_certificate')
def _():
    c = cloud.get_coe_cluster_certificate(cluster)
    assert c['cluster_uuid'] == cluster and c['pem'].startswith('-----BEGIN CERTIFICATE-----'), c


@step('sign_coe_cluster_certificate')
def _():
    c = cloud.sign_coe_cluster_certificate(cluster, csr)
    assert c['csr'] == csr and c['pem'].startswith('-----BEGIN CERTIFICATE-----'), c


@step('list_magnum_services')
def _():
    admin = Watched(openstack.connect(cloud='admin'))
    services = admin.list_magnum_services()
    assert [(s['binary'], s['state']) for s in services] == [('magnum-conductor', 'up')], services


@step('delete_coe_cluster')
def _():
    assert cloud.delete_coe_cluster('dev') and not cloud.delete_coe_cluster('nope')
    wait(cloud, None)


for call, name in (('delete_cluster_template', 'k8s'), ('delete_coe_cluster_template', 'second'), ('delete_baymodel', 'third')):
    @step(call)
    def _():
        assert getattr(cloud, call)(name) and not getattr(cloud, call)(name)

missing = sorted(n for n in dir(_coe.CoeCloudMixin) if not n.startswith('_') and n not in called)
report('every call is made', not missing, missing)
