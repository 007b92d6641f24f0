package sim

import (
	"net/http"
	"slices"
	"strings"
)

// serverAction is POST /servers/{id}/action.
func serverAction(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	for name, argument := range q.body {
		switch name {
		case "os-stop":
			return nil, q.switchServer(o, "stop", "ACTIVE", "powering-off", func() { q.powerOff(o, func() { q.setServer(o, "SHUTOFF", "stopped", nil, 4) }) })
		case "os-start":
			return nil, q.switchServer(o, "start", "SHUTOFF", "powering-on", func() { q.Cloud.activate(o) })
		case "forceDelete":
			return nil, q.endServer(o)
		case "reboot":
			return nil, q.reboot(o, asDoc(argument).str("type"))
		case "rebuild":
			return q.rebuild(o, asDoc(argument))
		case "os-getConsoleOutput":
			q.status = http.StatusOK
			return doc{"output": q.console(o, asDoc(argument))}, nil
		}
	}
	return nil, badRequest("There is no such action: %v", q.body)
}

// switchServer checks the state and starts a change of it.
func (q *call) switchServer(o *object, name, from, task string, done func()) error {
	if o.doc.str("status") != from {
		return fail(http.StatusConflict, "", "Cannot '%s' instance %s while it is in vm_state %s", name, o.id, o.doc.str("OS-EXT-STS:vm_state"))
	}
	if t := o.doc.str("OS-EXT-STS:task_state"); t != "" {
		return fail(http.StatusConflict, "", "Cannot '%s' instance %s while it is in task_state %s", name, o.id, t)
	}
	o.doc["OS-EXT-STS:task_state"] = task
	q.start(q.options.Latency.ServerAction, func() {
		if q.alive(o) && o.doc.str("OS-EXT-STS:task_state") == task {
			done()
		}
	}, func(message string) { q.failServer(o, message) })
	return nil
}

// reboot: softly only what runs and is left alone; hard also what is off, in ERROR or being rebooted.
func (q *call) reboot(o *object, how string) error {
	status, task, hard := o.doc.str("status"), o.doc.str("OS-EXT-STS:task_state"), how == "HARD"
	if how != "SOFT" && !hard {
		return badRequest("Invalid input for field/attribute type. Value: %s. '%s' is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']", how, how)
	}
	states, tasks, during := []string{"ACTIVE"}, []string{""}, "REBOOT"
	if hard {
		states, tasks, during = []string{"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR", "REBOOT", "HARD_REBOOT"}, []string{"", "rebooting", "rebooting_hard"}, "HARD_REBOOT"
	}
	switch {
	case !slices.Contains(states, status):
		return fail(http.StatusConflict, "", "Cannot 'reboot' instance %s while it is in vm_state %s", o.id, o.doc.str("OS-EXT-STS:vm_state"))
	case !slices.Contains(tasks, task):
		return fail(http.StatusConflict, "", "Cannot 'reboot' instance %s while it is in task_state %s", o.id, task)
	}
	task = map[bool]string{false: "rebooting", true: "rebooting_hard"}[hard]
	o.doc["status"], o.doc["OS-EXT-STS:task_state"] = during, task
	q.start(q.options.Latency.ServerAction, func() {
		if q.alive(o) && o.doc.str("OS-EXT-STS:task_state") == task {
			q.powerOff(o, func() { q.Cloud.activate(o) })
		}
	}, func(message string) { q.failServer(o, message) })
	return nil
}

// rebuild puts an image on the server's disk; the server keeps its ports.
func (q *call) rebuild(o *object, in doc) (any, error) {
	image := q.seen("image", in.str("imageRef"))
	if image == nil {
		return nil, badRequest("Image %s could not be found.", in.str("imageRef"))
	}
	if o.doc.str("status") != "ACTIVE" && o.doc.str("status") != "SHUTOFF" && o.doc.str("status") != "ERROR" {
		return nil, fail(http.StatusConflict, "", "Cannot 'rebuild' instance %s while it is in vm_state %s", o.id, o.doc.str("OS-EXT-STS:vm_state"))
	}
	o.doc["status"], o.doc["OS-EXT-STS:task_state"] = "REBUILD", "rebuilding"
	properties := map[string]string{}
	for key, value := range image.doc.sub("_properties") {
		properties[key] = text(value)
	}
	o.doc["_image"], o.doc["_properties"] = image.id, properties
	q.start(q.options.Latency.ServerBuild, func() {
		q.powerOff(o, func() {
			q.Cloud.forget(o.id)
			if q.alive(o) && o.doc.str("status") == "REBUILD" {
				q.Cloud.activate(o)
			}
		})
	}, func(message string) { q.failServer(o, message) })
	return doc{"server": q.serverView(o)}, nil
}

func (q *call) console(o *object, in doc) string {
	node := q.nodes[o.id]
	if node == nil {
		return ""
	}
	lines := node.Console()
	if n := in.num("length"); n > 0 && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n") + "\n"
}
