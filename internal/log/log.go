// Package log builds the loggers of the services and carries them in contexts.
//
// Four levels are used:
//
//	ERROR    something that we owe somebody did not happen and will not happen
//	         by itself; an operator has to look. A user's mistake is none.
//	WARNING  something went wrong that we live with or try again: an answer of
//	         the cloud, a lost connection, an option that is ignored.
//	INFO     what an operator wants to read afterwards of a service that works:
//	         a request, an operation, that ended; start and stop. Nothing that
//	         repeats while nothing happens.
//	DEBUG    what is needed to follow one request or operation step by step.
//
// Messages are constant; what varies goes into fields. Whatever belongs to one
// request or operation is logged through From(ctx), so that its ids stand on
// every line. Fields that are named like a secret, and the parts of texts that
// look like one, are masked on their way out; that is a safety net and no
// permission to log them.
package log

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// Config is what of oslo.log's options applies; they stand in group DEFAULT.
type Config struct {
	Debug     bool   `opt:"debug" default:"false" help:"Log at level DEBUG instead of INFO"`
	LogFile   string `opt:"log_file" deprecated:"logfile" help:"File to log to; without log_file and log_dir the log goes to standard error. It is only ever appended to, so that logrotate can rotate it with copytruncate"`
	LogDir    string `opt:"log_dir" deprecated:"logdir" help:"Folder of log_file when that is relative; without log_file the file there is named after the program"`
	UseJSON   bool   `opt:"use_json" default:"false" help:"Log one JSON object a line instead of text"`
	UseStderr bool   `opt:"use_stderr" default:"false" help:"Log to standard error as well when there is a log file"`
}

// Ignored lists oslo.log's options that do nothing here, and why, in the form
// that oslo.Load takes.
func Ignored() map[string]string {
	const (
		format   = "the format of a line is fixed"
		rotation = "logrotate rotates the file, with copytruncate"
		system   = "log to standard error, and systemd hands it to the journal and syslog"
	)
	return map[string]string{
		"DEFAULT.default_log_levels":            "there is one level, set by debug",
		"DEFAULT.instance_format":               format,
		"DEFAULT.instance_uuid_format":          format,
		"DEFAULT.log_color":                     format,
		"DEFAULT.log_config_append":             "it is a configuration of Python's logging",
		"DEFAULT.log_date_format":               format,
		"DEFAULT.log_rotate_interval":           rotation,
		"DEFAULT.log_rotate_interval_type":      rotation,
		"DEFAULT.log_rotation_type":             rotation,
		"DEFAULT.logging_context_format_string": format,
		"DEFAULT.logging_debug_format_suffix":   format,
		"DEFAULT.logging_default_format_string": format,
		"DEFAULT.logging_exception_prefix":      format,
		"DEFAULT.logging_user_identity_format":  format,
		"DEFAULT.max_logfile_count":             rotation,
		"DEFAULT.max_logfile_size_mb":           rotation,
		"DEFAULT.publish_errors":                "errors are logged, not sent as notifications",
		"DEFAULT.rate_limit_burst":              "lines are never left out",
		"DEFAULT.rate_limit_except_level":       "lines are never left out",
		"DEFAULT.rate_limit_interval":           "lines are never left out",
		"DEFAULT.syslog_log_facility":           system,
		"DEFAULT.use_eventlog":                  "there is no Windows",
		"DEFAULT.use_journal":                   system,
		"DEFAULT.use_syslog":                    system,
		"DEFAULT.watch_log_file":                rotation,
	}
}

// New builds the logger of a program. Close flushes and closes its file; the
// logger must not be used after it.
func New(c Config, program string) (logger *zap.Logger, close func() error, err error) {
	return build(c, program, os.Stderr)
}

func build(c Config, program string, stderr io.Writer) (logger *zap.Logger, close func() error, err error) {
	// The bare writer: a terminal or a pipe has nothing to flush and says so by
	// an error.
	out := zapcore.Lock(zapcore.AddSync(struct{ io.Writer }{stderr}))
	close = func() error { return nil }
	if name := c.path(program); name != "" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("open log file: %w", err)
		}
		close = func() error { return errors.Join(file.Sync(), file.Close()) }
		if c.UseStderr {
			out = zapcore.NewMultiWriteSyncer(zapcore.Lock(file), out)
		} else {
			out = zapcore.Lock(file)
		}
	}
	level := zapcore.InfoLevel
	if c.Debug {
		level = zapcore.DebugLevel
	}
	core := &core{LevelEnabler: level, enc: &textEncoder{pid: os.Getpid(), pool: buffer.NewPool()}, out: out}
	if c.UseJSON {
		core.enc = newJSONEncoder()
		core.fields = []zapcore.Field{zap.Int("pid", os.Getpid())}
	}
	return zap.New(core, zap.WithCaller(c.Debug), zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(stderr)))), close, nil
}

// path is the log file; empty for none.
func (c Config) path(program string) string {
	switch {
	case c.LogFile == "" && c.LogDir == "":
		return ""
	case c.LogFile == "":
		return filepath.Join(c.LogDir, program+".log")
	case filepath.IsAbs(c.LogFile):
		return c.LogFile
	default:
		return filepath.Join(c.LogDir, c.LogFile)
	}
}

func newJSONEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey:        "time",
		LevelKey:       "level",
		NameKey:        "logger",
		MessageKey:     "message",
		CallerKey:      "caller",
		StacktraceKey:  "stacktrace",
		LineEnding:     "\n",
		EncodeTime:     zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
		EncodeLevel:    func(l zapcore.Level, enc zapcore.PrimitiveArrayEncoder) { enc.AppendString(levelName(l)) },
		EncodeDuration: zapcore.StringDurationEncoder,
		EncodeCaller:   zapcore.ShortCallerEncoder,
	})
}

// levelName is the word of oslo.log for a level.
func levelName(l zapcore.Level) string {
	switch {
	case l == zapcore.WarnLevel:
		return "WARNING"
	case l > zapcore.ErrorLevel:
		return "CRITICAL"
	default:
		return l.CapitalString()
	}
}
