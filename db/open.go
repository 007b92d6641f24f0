package db

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// Config is group [database], with oslo.db's names.
type Config struct {
	Connection  string        `opt:"connection" default:"sqlite:////var/lib/jeroboam/jeroboam.sqlite" secret:"true" help:"Where the database is: mysql+pymysql://user:password@host/jeroboam (for TLS ?ssl_ca=, the path of a file), postgresql://user:password@host/jeroboam or sqlite:////absolute/path"`
	MaxPoolSize int           `opt:"max_pool_size" default:"20" min:"1" help:"Connections that are kept open"`
	MaxOverflow int           `opt:"max_overflow" default:"20" min:"0" help:"Connections that may be opened beyond those"`
	Recycle     time.Duration `opt:"connection_recycle_time" default:"3600" unit:"s" help:"Seconds after which a connection is replaced"`
}

// Open connects to the database.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.Connection)
	if err != nil {
		return nil, fmt.Errorf("[database] connection is not a URL")
	}
	kind, _, _ := strings.Cut(u.Scheme, "+")
	var b *bun.DB
	switch kind {
	case "mysql", "mariadb":
		b, err = openMySQL(u, cfg)
	case "postgresql", "postgres":
		b, err = openPostgreSQL(u, cfg)
	case "sqlite":
		b, err = openSQLite(u)
	default:
		return nil, fmt.Errorf("[database] connection: %q is not one of mysql, postgresql, sqlite", u.Scheme)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{db: b}
	if err := b.PingContext(ctx); err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("connecting to the database at %s: %w", u.Host, err)
	}
	return s, nil
}

func (c Config) pool(d *sql.DB) {
	idle := max(c.MaxPoolSize, 1)
	d.SetMaxIdleConns(idle)
	d.SetMaxOpenConns(idle + c.MaxOverflow)
	d.SetConnMaxLifetime(c.Recycle)
}

func openMySQL(u *url.URL, cfg Config) (*bun.DB, error) {
	m := mysql.NewConfig()
	m.User = u.User.Username()
	m.Passwd, _ = u.User.Password()
	m.Net, m.Addr = "tcp", u.Host
	if u.Port() == "" {
		m.Addr = u.Host + ":3306"
	}
	m.DBName = strings.Trim(u.Path, "/")
	m.ParseTime, m.ClientFoundRows, m.Loc = true, true, time.UTC
	m.Collation = "utf8mb4_unicode_ci"
	m.Params = map[string]string{"time_zone": "'+00:00'", "sql_mode": "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION'"}
	m.DialFunc = dialer().DialContext
	var err error
	if m.TLS, err = mysqlTLS(u); err != nil {
		return nil, fmt.Errorf("[database] connection: %w", err)
	}
	conn, err := mysql.NewConnector(m)
	if err != nil {
		return nil, fmt.Errorf("[database] connection: %w", err)
	}
	d := sql.OpenDB(conn)
	cfg.pool(d)
	return bun.NewDB(d, mysqldialect.New(), bun.WithDiscardUnknownColumns()), nil
}

// mysqlTLS reads PyMySQL's parameters of TLS: ssl_ca, ssl_cert and ssl_key, which are files; with ssl=true alone the system's
// authorities count. Nil: no TLS. The server's certificate is verified, with its name, whatever else there is.
func mysqlTLS(u *url.URL) (*tls.Config, error) {
	q := u.Query()
	if q.Get("ssl_ca") == "" && q.Get("ssl_cert") == "" && q.Get("ssl") != "true" {
		return nil, nil
	}
	c := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if file := q.Get("ssl_ca"); file != "" {
		content, err := os.ReadFile(file) //nolint:gosec // the operator's file
		if err != nil {
			return nil, fmt.Errorf("ssl_ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("ssl_ca: %s has no certificate in PEM form", file)
		}
	}
	if file := q.Get("ssl_cert"); file != "" {
		own, err := tls.LoadX509KeyPair(file, cmp.Or(q.Get("ssl_key"), file))
		if err != nil {
			return nil, fmt.Errorf("ssl_cert and ssl_key: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

func openPostgreSQL(u *url.URL, cfg Config) (*bun.DB, error) {
	plain := *u
	plain.Scheme = "postgres"
	c, err := pgx.ParseConfig(plain.String())
	if err != nil {
		return nil, fmt.Errorf("[database] connection is not a PostgreSQL URL")
	}
	c.RuntimeParams["timezone"] = "UTC"
	c.DialFunc = dialer().DialContext
	d := stdlib.OpenDB(*c)
	cfg.pool(d)
	return bun.NewDB(d, pgdialect.New(), bun.WithDiscardUnknownColumns()), nil
}

func openSQLite(u *url.URL) (*bun.DB, error) {
	path := strings.TrimPrefix(u.Path, "/") // sqlite:///relative, sqlite:////absolute
	dsn := "file:" + path + "?"
	if path == "" {
		dsn = "file::memory:?cache=shared&"
	}
	d, err := sql.Open("sqlite", dsn+"_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	// SQLite has one writer. With one connection the others wait in line here; with several they would sleep and try again.
	d.SetMaxOpenConns(1)
	return bun.NewDB(d, sqlitedialect.New(), bun.WithDiscardUnknownColumns()), nil
}
