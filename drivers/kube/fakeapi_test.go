package kube_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/labels"
)

type object = map[string]any

// fakeAPI has the semantics of a Kubernetes API that the client relies on: paging, field selection, merge patch with
// optimistic locking, ownership of labels under server-side apply, eviction with disruption budgets, preconditions.
type fakeAPI struct {
	mu       sync.Mutex
	objects  map[string]object // by path
	writes   []string          // "VERB path", successful or not
	reads    int
	version  int
	pageSize int
	notReady []string
	crds     bool                                 // is the kind Widget known
	status   int                                  // answer everything with it
	before   func(r *http.Request)                // called first, without the lock
	budgets  map[string]string                    // pod's name → budget that holds it
	failing  map[string]func(http.ResponseWriter) // by "VERB path"
}

func newFakeAPI() *fakeAPI {
	return &fakeAPI{objects: map[string]object{}, pageSize: 2, budgets: map[string]string{}, failing: map[string]func(http.ResponseWriter){}}
}

func (f *fakeAPI) put(path string, text string) {
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	f.version++
	meta := o["metadata"].(object)
	meta["resourceVersion"] = strconv.Itoa(f.version)
	if meta["uid"] == nil {
		meta["uid"] = "uid-" + path
	}
	f.objects[path] = o
}

func (f *fakeAPI) get(t *testing.T, path string) object {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	o, found := f.objects[path]
	if !found {
		t.Fatalf("there is no %s", path)
	}
	return o
}

func (f *fakeAPI) takeWrites() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	writes := f.writes
	f.writes = nil
	slices.Sort(writes)
	return writes
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code int, reason, message string, causes ...object) {
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "30")
	}
	answer(w, code, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
		"message": message, "details": object{"causes": causes, "retryAfterSeconds": 30}})
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.before != nil {
		f.before(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Warning", `299 - "deprecated"`)
	if r.Method == http.MethodGet {
		f.reads++
	} else {
		f.writes = append(f.writes, r.Method+" "+r.URL.Path)
	}
	if fail := f.failing[r.Method+" "+r.URL.Path]; fail != nil {
		fail(w)
		return
	}
	if f.status != 0 {
		refuse(w, f.status, http.StatusText(f.status), "no")
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.read(w, r)
	case http.MethodPatch:
		f.patch(w, r)
	case http.MethodPut: // of an approval
		answer(w, 200, f.objects[strings.TrimSuffix(r.URL.Path, "/approval")])
	case http.MethodPost:
		if strings.HasSuffix(r.URL.Path, "/eviction") {
			f.evict(w, r)
			return
		}
		f.create(w, r)
	case http.MethodDelete:
		f.delete(w, r)
	}
}

func (f *fakeAPI) read(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch path {
	case "/readyz":
		f.readyz(w)
	case "/version":
		answer(w, 200, object{"gitVersion": "v1.37.2"})
	case "/api", "/apis", "/api/v1", "/apis/example.org/v1", "/apis/apiextensions.k8s.io/v1", "/apis/node.k8s.io/v1", "/apis/storage.k8s.io/v1":
		answer(w, 200, f.discovery(path))
	case "/api/v1/nodes", "/api/v1/pods", "/api/v1/services", "/apis/storage.k8s.io/v1/volumeattachments", "/api/v1/namespaces/kube-system/pods", "/api/v1/namespaces/kube-system/secrets",
		"/apis/node.k8s.io/v1/runtimeclasses", "/api/v1/namespaces", "/api/v1/configmaps", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/api/v1/namespaces/shop/pods", "/apis/certificates.k8s.io/v1/certificatesigningrequests":
		f.list(w, r)
	default:
		if o, found := f.objects[path]; found {
			answer(w, 200, o)
			return
		}
		refuse(w, 404, "NotFound", path+" not found")
	}
}

func (f *fakeAPI) readyz(w http.ResponseWriter) {
	if len(f.notReady) == 0 {
		_, _ = io.WriteString(w, "[+]ping ok\nreadyz check passed\n")
		return
	}
	w.WriteHeader(500)
	for _, check := range f.notReady {
		_, _ = fmt.Fprintf(w, "[+]ping ok\n[-]%s failed: reason withheld\n", check)
	}
}

func (f *fakeAPI) discovery(path string) object {
	resource := func(name, kind string, namespaced bool) object {
		return object{"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": []string{"get", "list", "patch", "delete"}}
	}
	group := func(name string) object {
		v := object{"groupVersion": name + "/v1", "version": "v1"}
		return object{"name": name, "versions": []object{v}, "preferredVersion": v}
	}
	switch path {
	case "/api":
		return object{"kind": "APIVersions", "versions": []string{"v1"}}
	case "/apis":
		groups := []object{group("apiextensions.k8s.io"), group("node.k8s.io"), group("storage.k8s.io")}
		if f.crds {
			groups = append(groups, group("example.org"))
		}
		return object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
	case "/apis/example.org/v1":
		return object{"kind": "APIResourceList", "groupVersion": "example.org/v1", "resources": []object{resource("widgets", "Widget", true)}}
	case "/apis/node.k8s.io/v1":
		return object{"kind": "APIResourceList", "groupVersion": "node.k8s.io/v1", "resources": []object{resource("runtimeclasses", "RuntimeClass", false)}}
	case "/apis/storage.k8s.io/v1":
		return object{"kind": "APIResourceList", "groupVersion": "storage.k8s.io/v1", "resources": []object{resource("storageclasses", "StorageClass", false)}}
	case "/apis/apiextensions.k8s.io/v1":
		return object{"kind": "APIResourceList", "groupVersion": "apiextensions.k8s.io/v1",
			"resources": []object{resource("customresourcedefinitions", "CustomResourceDefinition", false)}}
	}
	return object{"kind": "APIResourceList", "groupVersion": "v1", "resources": []object{
		resource("namespaces", "Namespace", false), resource("configmaps", "ConfigMap", true), resource("nodes", "Node", false),
	}}
}

// list answers in pages; the token of the next one is the number of objects before it.
func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	wanted, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	node, selects := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "spec.nodeName=")
	paths := make([]string, 0, len(f.objects))
	for path, o := range f.objects {
		spec, _ := o["spec"].(object)
		set := labels.Set{}
		if own, ok := o["metadata"].(object)["labels"].(object); ok {
			for key, value := range own {
				set[key] = fmt.Sprint(value)
			}
		}
		if strings.HasSuffix(path[:strings.LastIndex(path, "/")], "/"+resource) && (!selects || spec["nodeName"] == node) && wanted.Matches(set) {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	to := min(from+f.pageSize, len(paths))
	items := []object{}
	for _, path := range paths[from:to] {
		items = append(items, f.objects[path])
	}
	meta := object{}
	if to < len(paths) {
		meta["continue"] = strconv.Itoa(to)
	}
	answer(w, 200, object{"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items})
}

func (f *fakeAPI) patch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var patch object
	if err := json.Unmarshal(body, &patch); err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	live, found := f.objects[r.URL.Path]
	meta, _ := patch["metadata"].(object)
	if r.Header.Get("Content-Type") == "application/apply-patch+yaml" {
		f.apply(w, r, live, patch)
		return
	}
	if !found {
		refuse(w, 404, "NotFound", r.URL.Path+" not found")
		return
	}
	if v := meta["resourceVersion"]; v != nil && v != live["metadata"].(object)["resourceVersion"] {
		refuse(w, 409, "Conflict", "the object has been modified")
		return
	}
	before, _ := json.Marshal(live)
	after, err := jsonpatch.MergePatch(before, body)
	if err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	f.put(r.URL.Path, string(after))
	answer(w, 200, f.objects[r.URL.Path])
}

// apply tracks the ownership of labels, and takes everything else as it comes.
func (f *fakeAPI) apply(w http.ResponseWriter, r *http.Request, live, patch object) {
	meta := patch["metadata"].(object)
	if uid := meta["uid"]; uid != nil && (live == nil || live["metadata"].(object)["uid"] != uid) {
		refuse(w, 409, "Conflict", "uid mismatch")
		return
	}
	manager := r.URL.Query().Get("fieldManager")
	labels := object{}
	if live != nil {
		liveMeta := live["metadata"].(object)
		if old, ok := liveMeta["labels"].(object); ok {
			for key, value := range old {
				labels[key] = value
			}
		}
		for key := range ownedLabels(liveMeta, manager) {
			delete(labels, strings.TrimPrefix(key, "f:"))
		}
	}
	owned := object{}
	wanted, _ := meta["labels"].(object)
	for key, value := range wanted {
		labels[key], owned["f:"+key] = value, object{}
	}
	meta["labels"] = labels
	meta["managedFields"] = []any{object{"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
		"fieldsV1": object{"f:metadata": object{"f:labels": owned}}}}
	text, _ := json.Marshal(patch)
	f.put(r.URL.Path, string(text))
	answer(w, 200, f.objects[r.URL.Path])
}

func ownedLabels(meta object, manager string) object {
	entries, _ := meta["managedFields"].([]any)
	for _, e := range entries {
		if entry := e.(object); entry["manager"] == manager {
			owned, _ := entry["fieldsV1"].(object)["f:metadata"].(object)["f:labels"].(object)
			return owned
		}
	}
	return nil
}

func (f *fakeAPI) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	path := r.URL.Path + "/" + fmt.Sprint(o["metadata"].(object)["name"])
	if _, there := f.objects[path]; there {
		refuse(w, 409, "AlreadyExists", path+" already exists")
		return
	}
	f.put(path, string(body))
	answer(w, 201, f.objects[path])
}

func (f *fakeAPI) evict(w http.ResponseWriter, r *http.Request) {
	path, isEviction := strings.CutSuffix(r.URL.Path, "/eviction")
	var eviction struct {
		Metadata      struct{ Name string }
		DeleteOptions struct {
			GracePeriodSeconds *int64
			Preconditions      struct{ UID string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&eviction); err != nil || !isEviction || !strings.HasSuffix(path, "/"+eviction.Metadata.Name) {
		refuse(w, 400, "BadRequest", "not an eviction")
		return
	}
	if b, held := f.budgets[eviction.Metadata.Name]; held {
		refuse(w, 429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
			object{"reason": "DisruptionBudget", "message": "The disruption budget " + b + " needs 2 healthy pods and has 2 currently"})
		return
	}
	f.terminate(w, path, eviction.DeleteOptions.Preconditions.UID, eviction.DeleteOptions.GracePeriodSeconds)
}

func (f *fakeAPI) delete(w http.ResponseWriter, r *http.Request) {
	var o struct {
		GracePeriodSeconds *int64
		Preconditions      struct{ UID string }
	}
	_ = json.NewDecoder(r.Body).Decode(&o)
	if strings.Contains(r.URL.Path, "/pods/") {
		f.terminate(w, r.URL.Path, o.Preconditions.UID, o.GracePeriodSeconds)
		return
	}
	x, found := f.objects[r.URL.Path]
	if !found {
		refuse(w, 404, "NotFound", r.URL.Path+" not found")
		return
	}
	meta := x["metadata"].(object)
	if o.Preconditions.UID != "" && o.Preconditions.UID != meta["uid"] {
		refuse(w, 409, "Conflict", "the UID in the precondition does not match")
		return
	}
	if meta["finalizers"] != nil {
		meta["deletionTimestamp"] = "2026-08-01T12:00:00Z"
		answer(w, 200, x)
		return
	}
	delete(f.objects, r.URL.Path)
	answer(w, 200, object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
}

func (f *fakeAPI) terminate(w http.ResponseWriter, path, uid string, grace *int64) {
	o, found := f.objects[path]
	if !found {
		refuse(w, 404, "NotFound", path+" not found")
		return
	}
	meta := o["metadata"].(object)
	if uid != "" && uid != meta["uid"] {
		refuse(w, 409, "Conflict", "the UID in the precondition does not match")
		return
	}
	meta["deletionTimestamp"] = "2026-08-01T12:00:00Z"
	if grace != nil {
		meta["deletionGracePeriodSeconds"] = *grace
	}
	answer(w, 201, object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
}
