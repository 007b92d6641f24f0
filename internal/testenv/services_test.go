package testenv_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	_ "github.com/jackc/pgx/v5/stdlib"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func TestMariaDB(t *testing.T) {
	u := parse(t, testenv.Require(t, testenv.MariaDBURL))
	password, _ := u.User.Password()
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/", u.User.Username(), password, u.Host)
	checkDatabase(t, "mysql", dsn, "10.11")
}

func TestPostgreSQL(t *testing.T) {
	checkDatabase(t, "pgx", testenv.Require(t, testenv.PostgreSQLURL), "PostgreSQL 15")
}

// checkDatabase expects a server of that version, and an account that may create databases.
func checkDatabase(t *testing.T, driver, dsn, version string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var found string
	if err := db.QueryRowContext(t.Context(), "SELECT version()").Scan(&found); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(found, version) {
		t.Errorf("the server is %q, expected %q", found, version)
	}
	name := fmt.Sprintf("testenv_%d", os.Getpid())
	for _, statement := range []string{"CREATE DATABASE " + name, "DROP DATABASE " + name} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestRabbitMQ(t *testing.T) {
	plain := testenv.Require(t, testenv.RabbitMQURL)
	secure := testenv.Require(t, testenv.RabbitMQTLSURL)
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(testenv.Require(t, testenv.RabbitMQCAFile))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the CA: %v", err)
	}
	tests := []struct {
		name, url string
		roots     *x509.CertPool
		refused   bool
	}{
		{name: "plain", url: plain},
		{name: "TLS with the CA", url: secure, roots: roots},
		{name: "TLS with another CA", url: secure, roots: x509.NewCertPool(), refused: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := roundTrip(t.Context(), test.url, test.roots)
			if (err != nil) != test.refused {
				t.Errorf("a message there and back: %v", err)
			}
		})
	}
}

func TestBrokerOfOnesOwn(t *testing.T) {
	broker := testenv.StartBroker(t)
	if broker.URL == testenv.Require(t, testenv.RabbitMQURL) {
		t.Fatal("it is the shared broker")
	}
	outages := []struct {
		name string
		end  func(testing.TB)
	}{
		{name: "stopped", end: broker.Stop},
		{name: "killed", end: broker.Kill},
	}
	for _, test := range outages {
		t.Run(test.name, func(t *testing.T) {
			if err := roundTrip(t.Context(), broker.URL, nil); err != nil {
				t.Fatalf("before: %v", err)
			}
			test.end(t)
			if err := roundTrip(t.Context(), broker.URL, nil); err == nil {
				t.Error("it still answers")
			}
			broker.Start(t)
		})
	}
	if err := roundTrip(t.Context(), broker.URL, nil); err != nil {
		t.Errorf("after: %v", err)
	}
	if users := broker.Ctl(t, "list_users"); !strings.Contains(users, "[administrator]") {
		t.Errorf("no administrator among:\n%s", users)
	}
}

// roundTrip sends a message through a queue of its own and receives it. With roots it speaks TLS.
func roundTrip(ctx context.Context, address string, roots *x509.CertPool) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	u.Scheme, u.RawQuery = "amqp", ""
	config := amqp.Config{Vhost: "/", Dial: amqp.DefaultDial(10 * time.Second)}
	if roots != nil {
		u.Scheme, config.TLSClientConfig = "amqps", &tls.Config{RootCAs: roots, ServerName: u.Hostname()}
	}
	conn, err := amqp.DialConfig(u.String(), config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	deliveries, err := channel.ConsumeWithContext(ctx, queue.Name, "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	if err := channel.PublishWithContext(ctx, "", queue.Name, true, false, amqp.Publishing{Body: []byte("x")}); err != nil {
		return err
	}
	select {
	case <-deliveries:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("no delivery")
	}
}

func TestKeystone(t *testing.T) {
	project, user, password := testenv.NewProject(t, "member", "a-role-of-testenv")
	client := testenv.Login(t, gophercloud.AuthOptions{
		UserID: user.ID, Password: password, Scope: &gophercloud.AuthScope{ProjectID: project.ID},
	})
	result, ok := client.GetAuthResult().(tokens.CreateResult)
	if !ok {
		t.Fatalf("the login gave a %T", client.GetAuthResult())
	}
	scope, err := result.ExtractProject()
	if err != nil || scope.ID != project.ID || scope.Domain.Name != "Default" {
		t.Errorf("the token is for %+v: %v", scope, err)
	}
	granted, err := result.ExtractRoles()
	if err != nil {
		t.Fatal(err)
	}
	if names := fmt.Sprint(granted); !strings.Contains(names, "member") || !strings.Contains(names, "a-role-of-testenv") {
		t.Errorf("the token has the roles %s", names)
	}
}

func TestKeystoneDomain(t *testing.T) {
	var domainID string
	admin, err := openstack.NewIdentityV3(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("lives", func(t *testing.T) {
		domain := testenv.NewDomain(t)
		domainID = domain.ID
		user, password := testenv.NewUser(t, domain.ID, "owner")
		testenv.Grant(t, roles.AssignOpts{UserID: user.ID, DomainID: domain.ID}, "admin")
		testenv.Login(t, gophercloud.AuthOptions{
			Username: "owner", DomainName: domain.Name, Password: password,
			Scope: &gophercloud.AuthScope{DomainID: domain.ID},
		})
	})
	if _, err := domains.Get(t.Context(), admin, domainID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("the domain has outlived its test: %v", err)
	}
}

func TestRegister(t *testing.T) {
	const serviceType, address = "testenv-service", "http://127.0.0.1:1/v1"
	testenv.Register(t, serviceType, address)
	found, err := testenv.KeystoneAdmin(t).EndpointLocator(gophercloud.EndpointOpts{
		Type: serviceType, Region: testenv.Region, Availability: gophercloud.AvailabilityInternal,
	})
	if err != nil || strings.TrimSuffix(found, "/") != address {
		t.Errorf("the catalogue names %q: %v", found, err)
	}
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
