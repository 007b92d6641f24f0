// Command csiside is what runs beside a storage plug-in, and is published as images only: «csi-node-driver-registrar» makes
// the plug-in known to the kubelet, «livenessprobe» answers the kubelet's probe for it. Its messages are few, so it does
// without the code generated from the interface's definitions: of what comes in it needs the first field.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const callTimeout = 10 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "csiside:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("which program it is to be comes first")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	plugin := flags.String("csi-address", "/csi/csi.sock", "socket of the plug-in")
	kubelet := flags.String("kubelet-registration-path", "", "the same as the kubelet sees it")
	folder := flags.String("plugin-registration-path", "/registration", "where the kubelet looks for plug-ins")
	port := flags.Int("health-port", 9808, "port for the kubelet's probe")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix://"+*plugin, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer conn.Close()
	switch args[0] {
	case "livenessprobe":
		return probe(conn, *port)
	case "csi-node-driver-registrar":
		return register(conn, *kubelet, *folder)
	}
	return fmt.Errorf("there is no program %q", args[0])
}

// probe passes the kubelet's question on to the plug-in.
func probe(conn *grpc.ClientConn, port int) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		if err := conn.Invoke(ctx, "/csi.v1.Identity/Probe", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: mux, ReadHeaderTimeout: callTimeout}
	return server.ListenAndServe()
}

// register serves the kubelet, which looks for sockets in a folder of its own.
func register(conn *grpc.ClientConn, kubelet, folder string) error {
	var name wrapperspb.StringValue // its first field is the name
	if err := conn.Invoke(context.Background(), "/csi.v1.Identity/GetPluginInfo", &emptypb.Empty{}, &name); err != nil {
		return fmt.Errorf("ask the plug-in for its name: %w", err)
	}
	path := folder + "/" + name.GetValue() + "-reg.sock"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	about := &emptypb.Empty{}
	about.ProtoReflect().SetUnknown(pluginInfo("CSIPlugin", name.GetValue(), kubelet, "1.0.0"))
	refused := make(chan struct{}, 1)
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "pluginregistration.Registration", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		{MethodName: "GetInfo", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
			return about, nil
		}},
		{MethodName: "NotifyRegistrationStatus", Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var registered wrapperspb.BoolValue // the first field of the status
			if err := read(&registered); err != nil {
				return nil, err
			}
			if !registered.GetValue() {
				refused <- struct{}{}
			}
			return &emptypb.Empty{}, nil
		}},
	}}, nil)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-refused: // the kubelet asks again when the socket comes again
		server.Stop()
		return fmt.Errorf("the kubelet does not take plug-in %s", name.GetValue())
	}
}

// pluginInfo is the message of that name: type, name, endpoint and a version, its fields 1 to 4.
func pluginInfo(fields ...string) []byte {
	var out []byte
	for i, text := range fields {
		out = protowire.AppendTag(out, protowire.Number(i+1), protowire.BytesType)
		out = protowire.AppendString(out, text)
	}
	return out
}
