package overhead

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	modeStream = 's' // the other side counts what comes, and tells it at the end
	modeEcho   = 'e' // it sends back what comes
	messages   = 64  // bytes of an echo
	chunk      = 256 << 10
	dialTime   = 10 * time.Second
)

// network sends to another one of its kind: as much as goes through one connection, and a message and its answer in turn.
func network(ctx context.Context, t Task) ([]Figure, error) {
	if t.Listen != "" {
		return nil, serve(ctx, t.Listen, nil)
	}
	address := t.Connect
	if address == "" {
		ready := make(chan string, 1)
		here, stop := context.WithCancel(ctx)
		failed := make(chan error, 1)
		var server sync.WaitGroup
		server.Go(func() { failed <- serve(here, "127.0.0.1:0", ready) })
		defer func() { stop(); server.Wait() }()
		select {
		case address = <-ready:
		case err := <-failed:
			return nil, err
		}
	}
	stream, err := streams(ctx, t, address)
	if err != nil {
		return nil, err
	}
	echo, err := echoes(ctx, t, address)
	return []Figure{stream, echo}, err
}

// connect opens a connection of that mode, which ends with the context.
func connect(ctx context.Context, address string, mode byte) (*net.TCPConn, func(), error) {
	c, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	done := func() { stop(); _ = c.Close() }
	if _, err := c.Write([]byte{mode}); err != nil {
		done()
		return nil, nil, err
	}
	return c.(*net.TCPConn), done, nil
}

func streams(ctx context.Context, t Task, address string) (Figure, error) {
	f := Figure{Work: "network stream", Unit: "MiB/s"}
	for i := range t.Samples + 1 {
		rate, err := stream(ctx, t.Time, address)
		if err != nil {
			return f, err
		}
		if i > 0 { // the first warms up
			f.Samples = append(f.Samples, rate)
		}
	}
	return f, nil
}

// stream sends for the time of a sample, and counts what has arrived.
func stream(ctx context.Context, length time.Duration, address string) (float64, error) {
	c, done, err := connect(ctx, address, modeStream)
	if err != nil {
		return 0, err
	}
	defer done()
	text, start, sent := make([]byte, chunk), time.Now(), uint64(0)
	for time.Since(start) < length {
		n, err := c.Write(text)
		sent += uint64(n)
		if err != nil {
			return 0, err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return 0, err
	}
	var arrived uint64
	if err := binary.Read(c, binary.BigEndian, &arrived); err != nil {
		return 0, err
	}
	if arrived != sent {
		return 0, fmt.Errorf("of %d bytes %d arrived", sent, arrived)
	}
	return float64(arrived) / mebi / time.Since(start).Seconds(), nil
}

func echoes(ctx context.Context, t Task, address string) (Figure, error) {
	c, done, err := connect(ctx, address, modeEcho)
	if err != nil {
		return Figure{}, err
	}
	defer done()
	text := make([]byte, messages)
	return sample(ctx, t, "network round trips", "1/s", func() (float64, error) {
		if _, err := c.Write(text); err != nil {
			return 0, err
		}
		_, err := io.ReadFull(c, text)
		return 1, err
	})
}

// serve is the other side. It tells its address when it listens.
func serve(ctx context.Context, address string, ready chan<- string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	if ready != nil {
		ready <- l.Addr().String()
	}
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		go func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			answer(c)
		}()
	}
}

// answer does what the other side asks for. Its errors are seen there.
func answer(c net.Conn) {
	r := bufio.NewReaderSize(c, chunk)
	mode, err := r.ReadByte()
	switch {
	case err != nil:
	case mode == modeStream:
		n, _ := io.Copy(io.Discard, r)
		_ = binary.Write(c, binary.BigEndian, uint64(n))
	case mode == modeEcho:
		text := make([]byte, messages)
		for {
			if _, err := io.ReadFull(r, text); err != nil {
				return
			}
			if _, err := c.Write(text); err != nil {
				return
			}
		}
	}
}
