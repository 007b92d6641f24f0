// Package systemd tells the one who started a service how it is.
package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// Notify tells systemd that the service is ready, keeps its watchdog quiet while ctx lasts, and says that it stops when
// ctx ends. Without systemd it does nothing. It returns at once.
func Notify(ctx context.Context, l *zap.Logger) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			l.Warn("systemd could not be told how the service is", zap.Error(err))
		}
	}
	tell(daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { tell(daemon.SdNotifyStopping) })
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	go func() {
		t := time.NewTicker(interval / 3)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				tell(daemon.SdNotifyWatchdog)
			}
		}
	}()
}
