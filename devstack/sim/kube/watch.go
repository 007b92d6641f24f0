package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

type watchEvent struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watcher sends the changes of one watch.
type watcher struct {
	server  *server
	query   *query
	encoder *json.Encoder
	flusher http.Flusher
}

// watch streams changes until the client goes, its time is up, or it has fallen behind the history.
func (s *server) watch(w http.ResponseWriter, r *http.Request, q *query) error {
	flusher, ok := w.(http.Flusher)
	if !ok {
		return apierrors.NewInternalError(fmt.Errorf("the connection cannot stream"))
	}
	values := r.URL.Query()
	revision, initial := uint64(0), isTrue(values.Get("sendInitialEvents"))
	if given := values.Get("resourceVersion"); given != "" && given != "0" && !initial {
		var err error
		if revision, err = strconv.ParseUint(given, 10, 64); err != nil {
			return apierrors.NewBadRequest("invalid resource version: " + given)
		}
		if _, _, ok := s.cluster.store.since(revision); !ok {
			return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", revision))
		}
	}
	var timeout <-chan time.Time
	if seconds, err := strconv.Atoi(values.Get("timeoutSeconds")); err == nil && seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	watching := &watcher{server: s, query: q, encoder: json.NewEncoder(w), flusher: flusher}
	if revision == 0 {
		revision = watching.sendAll(initial)
	}
	watching.follow(r.Context().Done(), timeout, revision)
	return nil
}

// sendAll begins a watch with what is there, and with the mark of its end if that was asked for.
func (w *watcher) sendAll(mark bool) uint64 {
	found, at := w.server.selected(w.query)
	for _, o := range found {
		w.send(watch.Added, o)
	}
	if mark {
		bookmark := map[string]any{
			"apiVersion": w.query.kind.GroupVersion().String(), "kind": w.query.kind.Kind,
			"metadata": map[string]any{
				"resourceVersion": at,
				"annotations":     map[string]any{metav1.InitialEventsAnnotationKey: "true"},
			},
		}
		_ = w.encoder.Encode(watchEvent{Type: watch.Bookmark, Object: bookmark})
	}
	w.flusher.Flush()
	revision, _ := strconv.ParseUint(at, 10, 64) // it was formatted a moment ago
	return revision
}

func (w *watcher) follow(gone <-chan struct{}, timeout <-chan time.Time, revision uint64) {
	for {
		changes, next, ok := w.server.cluster.store.since(revision)
		if !ok {
			status := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", revision)).Status()
			status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
			_ = w.encoder.Encode(watchEvent{Type: watch.Error, Object: status})
			return
		}
		for _, c := range changes {
			revision = c.revision
			if c.kind == w.query.kind {
				w.sendChange(c)
			}
		}
		w.flusher.Flush()
		if next == nil {
			continue
		}
		select {
		case <-next:
		case <-gone:
			return
		case <-timeout:
			return
		}
	}
}

// sendChange sends a change as those see it who only look at what their selectors choose.
func (w *watcher) sendChange(c change) {
	was, is := w.query.selects(c.before), c.what != watch.Deleted && w.query.selects(c.after)
	switch {
	case is && was:
		w.send(watch.Modified, c.after)
	case is:
		w.send(watch.Added, c.after)
	case was:
		w.send(watch.Deleted, c.after)
	}
}

func (w *watcher) send(what watch.EventType, o object) {
	// a write that fails means that the client is gone, which ends follow
	_ = w.encoder.Encode(watchEvent{Type: what, Object: w.server.render(w.query, o)})
}
