package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/portforward"
)

// kubeletPort is where API servers ask kubelets.
const kubeletPort = 10250

// forward connects a client to ports of a pod by way of its node's kubelet.
func (s *server) forward(w http.ResponseWriter, r *http.Request, q *query) error {
	pod, address, err := s.cluster.locate(q)
	if err != nil {
		return err
	}
	// the kubelet is asked first: that it does not answer is an answer of the API
	probe, err := s.dial(r.Context(), address)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("error dialing backend: %w", err))
	}
	_ = probe.Close()
	portforward.Serve(w, r, pod.Name, string(pod.UID), func(ctx context.Context, port int) (net.Conn, error) {
		conn, err := s.dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return askKubelet(ctx, conn, port)
	})
	return nil
}

// locate finds a pod and the address of its kubelet.
func (c *cluster) locate(q *query) (*corev1.Pod, string, error) {
	var pod corev1.Pod
	err := c.store.do(func(t *transaction) error {
		o, err := t.find(q.kind, q.namespace, q.name)
		if err != nil {
			return err
		}
		return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod)
	})
	if err != nil {
		return nil, "", err
	}
	node, there := c.node(pod.Spec.NodeName)
	if !there {
		return nil, "", apierrors.NewNotFound(c.schema.kind("Node").groupResource(), pod.Spec.NodeName)
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return &pod, net.JoinHostPort(a.Address, strconv.Itoa(kubeletPort)), nil
		}
	}
	return nil, "", apierrors.NewInternalError(fmt.Errorf("no preferred addresses found; known addresses: %v", node.Status.Addresses))
}

// API server and kubelet speak a short language here: a line with the port, a line that is empty or says what is wrong,
// and then what the port's listener says.

func askKubelet(ctx context.Context, conn net.Conn, port int) (net.Conn, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, err := fmt.Fprintln(conn, port)
	reader, problem := bufio.NewReader(conn), ""
	if err == nil {
		problem, err = reader.ReadString('\n')
	}
	if problem = strings.TrimSpace(problem); err == nil && problem != "" {
		err = errors.New(problem)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &read{Conn: conn, reader: reader}, nil
}

// read is a connection of which something has been read already.
type read struct {
	net.Conn
	reader *bufio.Reader
}

func (r *read) Read(p []byte) (int, error) { return r.reader.Read(p) }

// serveKubelet has the node's kubelet answer API servers that forward ports.
func (n *Node) serveKubelet(m *machine) {
	n.onPowerOff(n.fabric.Listen(n.host.ID, kubeletPort, func(conn net.Conn) {
		n.spawn(func(ctx context.Context) {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			m.mu.Lock()
			running := m.kubelet.running && (m.serves() || !m.cluster.servingBootstrap)
			m.mu.Unlock()
			if running {
				n.forward(ctx, conn)
			}
		})
	}))
}

// forward connects an API server to a port of the host: all pods that are forwarded to are in its network.
func (n *Node) forward(ctx context.Context, conn net.Conn) {
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	if err != nil {
		return
	}
	port := strings.TrimSpace(line)
	to, err := n.fabric.Dial(ctx, n.host.ID, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		_, _ = fmt.Fprintf(conn, "failed to connect to localhost:%s inside namespace: %v\n", port, err)
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { _ = to.Close() })()
	if _, err := fmt.Fprintln(conn); err != nil {
		return
	}
	ended := make(chan struct{}, 2)
	copyTo := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	n.spawn(func(context.Context) { copyTo(to, reader) })
	n.spawn(func(context.Context) { copyTo(conn, to) })
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
