-- Create "parked" table
CREATE TABLE `parked` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `reader` text NOT NULL, `recipient` text NOT NULL, `from_seq` integer NOT NULL, `attempts` integer NOT NULL DEFAULT (0), `until` datetime NULL, `error` text NULL, `state` text NOT NULL DEFAULT ('WAITING'), `why` text NULL);
-- Set sequence for "parked" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("parked", 38654705664);
-- Create index "parked_one_for_recipient" to table: "parked"
CREATE UNIQUE INDEX `parked_one_for_recipient` ON `parked` (`reader`, `recipient`) WHERE state = 'WAITING';
-- Create index "parked_one_for_event" to table: "parked"
CREATE UNIQUE INDEX `parked_one_for_event` ON `parked` (`reader`, `from_seq`) WHERE state <> 'WAITING';
-- Create "progresses" table
CREATE TABLE `progresses` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `reader` text NOT NULL, `done_seq` integer NOT NULL, `settled` text NOT NULL DEFAULT (''));
-- Set sequence for "progresses" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("progresses", 42949672960);
-- Create index "progresses_reader_key" to table: "progresses"
CREATE UNIQUE INDEX `progresses_reader_key` ON `progresses` (`reader`);
-- Both readers have come as far as the newest event ...
INSERT INTO `progresses` (`reader`, `done_seq`) SELECT 'people', coalesce(max(`id`), 0) FROM `events`;
INSERT INTO `progresses` (`reader`, `done_seq`) SELECT 'subscriptions', coalesce(max(`id`), 0) FROM `events`;
-- ... but for those that no mark says are done: they wait, each person's and each topic's from the oldest on.
INSERT INTO `parked` (`created_at`, `reader`, `recipient`, `from_seq`) SELECT min(`created_at`), 'people', cast(`recipient_id` AS text), min(`id`) FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NOT NULL GROUP BY `recipient_id`;
INSERT INTO `parked` (`created_at`, `reader`, `recipient`, `from_seq`) SELECT min(`created_at`), 'subscriptions', `topic`, min(`id`) FROM (SELECT `id`, `created_at`, `kind` AS `topic` FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NULL UNION ALL SELECT `id`, `created_at`, `kind` || ' recipient:' || `recipient_id` FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NOT NULL UNION ALL SELECT `id`, `created_at`, 'recipient:' || `recipient_id` FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NOT NULL UNION ALL SELECT `id`, `created_at`, `kind` || ' request:' || `request_id` FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NOT NULL AND `request_id` IS NOT NULL UNION ALL SELECT `id`, `created_at`, 'actor:' || `actor_id` FROM `events` WHERE `relayed_at` IS NULL AND `last_error` IS NULL AND `recipient_id` IS NOT NULL AND `actor_id` IS NOT NULL) GROUP BY `topic`;
-- What one of them has had since is not sent again.
UPDATE `progresses` SET `settled` = coalesce((SELECT group_concat(`id`) FROM `events` AS `e` WHERE (`relayed_at` IS NOT NULL OR `last_error` IS NOT NULL) AND EXISTS (SELECT 1 FROM `parked` WHERE `reader` = 'people' AND `recipient` = cast(`e`.`recipient_id` AS text) AND `state` = 'WAITING' AND `from_seq` < `e`.`id`)), '') WHERE `reader` = 'people';
-- What Pusher refused for good is not sent, and is listed.
INSERT INTO `parked` (`created_at`, `reader`, `recipient`, `from_seq`, `attempts`, `error`, `state`, `why`) SELECT `created_at`, 'people', cast(`recipient_id` AS text), `id`, `attempts`, `last_error`, 'SKIPPED', 'it was refused before the upgrade' FROM `events` WHERE `last_error` IS NOT NULL AND `recipient_id` IS NOT NULL;
-- The marks on each event go.
DROP INDEX `events_pending`;
DROP INDEX `event_relayed_at`;
ALTER TABLE `events` DROP COLUMN `relayed_at`;
ALTER TABLE `events` DROP COLUMN `attempts`;
ALTER TABLE `events` DROP COLUMN `last_error`;
