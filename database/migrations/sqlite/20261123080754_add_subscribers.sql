-- Create "subscribers" table
CREATE TABLE `subscribers` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `channel` text NOT NULL, `state` text NOT NULL DEFAULT ('PENDING'), `session_id` integer NOT NULL, `topic` text NOT NULL, `field` text NOT NULL, `operation_name` text NULL, `document` text NOT NULL, `variables` json NULL, `protocol` text NOT NULL DEFAULT ('UNSET'), `compress` bool NOT NULL DEFAULT (false), `cursor` integer NOT NULL, `authorized_at` datetime NULL, `vacated_at` datetime NULL, `last_delivered_at` datetime NULL, `last_error` text NULL, `expires_at` datetime NOT NULL, `closed_at` datetime NULL, `closed_reason` text NULL, `user_id` integer NOT NULL, CONSTRAINT `subscribers_users_user` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE);
-- Set sequence for "subscribers" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("subscribers", 30064771072);
-- Create index "subscribers_channel_key" to table: "subscribers"
CREATE UNIQUE INDEX `subscribers_channel_key` ON `subscribers` (`channel`);
-- Create index "subscriber_created_at" to table: "subscribers"
CREATE INDEX `subscriber_created_at` ON `subscribers` (`created_at`);
-- Create index "subscriber_user_id" to table: "subscribers"
CREATE INDEX `subscriber_user_id` ON `subscribers` (`user_id`);
-- Create index "subscriber_state_created_at" to table: "subscribers"
CREATE INDEX `subscriber_state_created_at` ON `subscribers` (`state`, `created_at`);
-- Create index "subscriber_topic_state" to table: "subscribers"
CREATE INDEX `subscriber_topic_state` ON `subscribers` (`topic`, `state`);
-- Create index "subscriber_closed_at" to table: "subscribers"
CREATE INDEX `subscriber_closed_at` ON `subscribers` (`closed_at`) WHERE closed_at IS NOT NULL;
