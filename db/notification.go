package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Notification is a row of notification: a message to other services of the cloud that is written together with what it
// tells of, and goes when the broker has it. So none is lost, and none tells of what did not happen.
type Notification struct {
	bun.BaseModel `bun:"table:notification,alias:n"`

	ID          int64     `bun:"id,pk,autoincrement"`
	UUID        string    `bun:"uuid"`       // message_id: the same however often it is sent
	CreatedAt   time.Time `bun:"created_at"` // by the database's clock
	PublisherID string    `bun:"publisher_id"`
	EventType   string    `bun:"event_type"`
	Priority    string    `bun:"priority"`
	Context     Strings   `bun:"context,type:text"` // of the request that it comes from; never a token
	Payload     RawJSON   `bun:"payload,type:text"`
	DueAt       int64     `bun:"due_at"` // milliseconds since 1970, the database's clock: who takes it moves it on
}

func (s *Store) addNotifications(ctx context.Context, tx bun.Tx, after *Snapshot) error {
	if len(after.Notifications) == 0 {
		return nil
	}
	for _, n := range after.Notifications {
		n.CreatedAt, n.DueAt = after.Now(), after.now
	}
	_, err := tx.NewInsert().Model(&after.Notifications).Exec(ctx)
	return wrap(err, "writing notifications")
}

// TakeNotifications takes the notifications that are due, those that wait longest first, and makes them due again after
// lease: when who took them dies, somebody else takes them then. Two never have the same one at the same time.
func (s *Store) TakeNotifications(ctx context.Context, limit int, lease time.Duration) ([]*Notification, error) {
	now, err := s.now(ctx, s.db)
	if err != nil {
		return nil, err
	}
	var l, taken []*Notification
	if err := s.db.NewSelect().Model(&l).Where("due_at <= ?", now).Order("due_at", "id").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, wrap(err, "looking for notifications to send")
	}
	for _, n := range l {
		ok, err := s.moveNotification(ctx, n, now+lease.Milliseconds())
		if err != nil {
			return taken, fmt.Errorf("taking a notification: %w", err)
		}
		if ok {
			taken = append(taken, n)
		}
	}
	return taken, nil
}

// PutOffNotification gives a notification that was taken back, to be taken again after a time, unless the lease has ended
// and somebody else has it.
func (s *Store) PutOffNotification(ctx context.Context, n *Notification, after time.Duration) error {
	now, err := s.now(ctx, s.db)
	if err != nil {
		return err
	}
	_, err = s.moveNotification(ctx, n, now+after.Milliseconds())
	return wrap(err, "putting a notification off")
}

// moveNotification writes when a notification is due, if that still is what we know.
func (s *Store) moveNotification(ctx context.Context, n *Notification, to int64) (bool, error) {
	rows, err := affected(s.db.NewUpdate().Model((*Notification)(nil)).Set("due_at = ?", to).Where("id = ? AND due_at = ?", n.ID, n.DueAt).Exec(ctx))
	if err == nil && rows > 0 {
		n.DueAt = to
	}
	return rows > 0, err
}

// RemoveNotification takes out one that was sent.
func (s *Store) RemoveNotification(ctx context.Context, n *Notification) error {
	_, err := s.db.NewDelete().Model((*Notification)(nil)).Where("id = ?", n.ID).Exec(ctx)
	return wrap(err, "removing a notification")
}

// DropNotifications takes out at most limit of those that have waited longer than age, and tells how many that were.
func (s *Store) DropNotifications(ctx context.Context, age time.Duration, limit int) (int64, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return 0, err
	}
	var ids []int64
	if err := s.db.NewSelect().Model((*Notification)(nil)).Column("id").Where("created_at < ?", now.Add(-age)).Order("created_at").Limit(int64(limit)).Scan(ctx, &ids); err != nil {
		return 0, wrap(err, "looking for old notifications")
	}
	if len(ids) == 0 {
		return 0, nil
	}
	n, err := affected(s.db.NewDelete().Model((*Notification)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx))
	return n, wrap(err, "dropping old notifications")
}

// Notifications lists those that were not sent yet, oldest first.
func (s *Store) Notifications(ctx context.Context) ([]*Notification, error) {
	var l []*Notification
	return l, wrap(s.db.NewSelect().Model(&l).Order("id").Scan(ctx), "listing notifications")
}
