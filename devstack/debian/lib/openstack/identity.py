"""Makes what is missing in Keystone. What is there already is left as it is, endpoints excepted: they move to their URL.

The plan is read from standard input, one object per line:

    role NAME
    project NAME DOMAIN
    user NAME DOMAIN                            with the password $NEW_PASSWORD
    grant ROLE USER DOMAIN PROJECT DOMAIN
    service TYPE NAME URL                       with public, internal and admin endpoints in $OS_REGION_NAME
"""

import os
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client


class Plan:
    def __init__(self, keystone, password, region):
        self.keystone = keystone
        self.password = password
        self.region = region
        self.domains = {d.name: d for d in keystone.domains.list()}
        self.roles = {r.name: r for r in keystone.roles.list()}
        self.projects = {(p.domain_id, p.name): p for p in keystone.projects.list()}
        self.users = {(u.domain_id, u.name): u for u in keystone.users.list()}
        self.services = {(s.type, getattr(s, "name", "")): s for s in keystone.services.list()}
        self.endpoints = {(e.service_id, e.interface): e for e in keystone.endpoints.list(region=region)}

    def role(self, name):
        if name not in self.roles:
            self.roles[name] = self.keystone.roles.create(name)

    def project(self, name, domain):
        key = (self.domains[domain].id, name)
        if key not in self.projects:
            self.projects[key] = self.keystone.projects.create(name, self.domains[domain])

    def user(self, name, domain):
        key = (self.domains[domain].id, name)
        if key not in self.users:
            self.users[key] = self.keystone.users.create(name, domain=self.domains[domain], password=self.password)

    def grant(self, role, user, domain, project, of):
        user = self.users[self.domains[domain].id, user]
        self.keystone.roles.grant(self.roles[role], user=user, project=self.projects[self.domains[of].id, project])

    def service(self, kind, name, url):
        key = (kind, name)
        if key not in self.services:
            self.services[key] = self.keystone.services.create(name, type=kind)
        service = self.services[key]
        for interface in ("public", "internal", "admin"):
            endpoint = self.endpoints.get((service.id, interface))
            if endpoint is None:
                self.keystone.endpoints.create(service, url, interface=interface, region=self.region)
            elif endpoint.url != url:
                self.keystone.endpoints.update(endpoint, url=url)


def main():
    env = os.environ
    auth = v3.Password(
        auth_url=env["OS_AUTH_URL"], username=env["OS_USERNAME"], password=env["OS_PASSWORD"],
        project_name=env["OS_PROJECT_NAME"], user_domain_name=env["OS_USER_DOMAIN_NAME"],
        project_domain_name=env["OS_PROJECT_DOMAIN_NAME"])
    plan = Plan(client.Client(session=session.Session(auth)), env["NEW_PASSWORD"], env["OS_REGION_NAME"])
    for line in sys.stdin:
        kind, *words = line.split()
        getattr(plan, kind)(*words)


if __name__ == "__main__":
    main()
