"""Listens to notifications, as any service of OpenStack does by oslo.messaging, and prints each as a line of JSON."""
import json
import sys
import threading

from oslo_config import cfg
import oslo_messaging


class Endpoint:
    """Has a method for every priority that is listened to."""

    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        self._tell('info', ctxt, publisher_id, event_type, payload, metadata)

    def error(self, ctxt, publisher_id, event_type, payload, metadata):
        self._tell('error', ctxt, publisher_id, event_type, payload, metadata)

    def _tell(self, priority, ctxt, publisher_id, event_type, payload, metadata):
        print(json.dumps({'priority': priority, 'context': ctxt, 'publisher_id': publisher_id, 'event_type': event_type,
                          'payload': payload, 'metadata': metadata}), flush=True)


conf = cfg.ConfigOpts()
conf([])
transport = oslo_messaging.get_notification_transport(conf, url=sys.argv[1])
target = oslo_messaging.Target(exchange='magnum', topic='notifications')
oslo_messaging.get_notification_listener(transport, [target], [Endpoint()], executor='threading').start()
threading.Event().wait()
