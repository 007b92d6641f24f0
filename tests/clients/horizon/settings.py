# What an operator would write into Horizon's local_settings.py, for a dashboard of one test: everything comes from the
# environment, nothing is kept outside of the test's folder.
import os

from openstack_dashboard.settings import HORIZON_CONFIG  # noqa: F401, Debian's snippets add to it

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = os.environ["HORIZON_SECRET_KEY"]
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

OPENSTACK_HOST = "127.0.0.1"
OPENSTACK_KEYSTONE_URL = os.environ["HORIZON_KEYSTONE_URL"]
OPENSTACK_KEYSTONE_MULTIDOMAIN_SUPPORT = False

# One process serves the test, so its own memory can hold the sessions.
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
