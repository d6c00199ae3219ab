-- Create "events" table
CREATE TABLE `events` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `kind` text NOT NULL, `payload` json NOT NULL, `relayed_at` datetime NULL, `attempts` integer NOT NULL DEFAULT (0), `last_error` text NULL, `read_at` datetime NULL, `recipient_id` integer NULL, `request_id` integer NULL, `knowledge_id` integer NULL, CONSTRAINT `events_users_recipient` FOREIGN KEY (`recipient_id`) REFERENCES `users` (`id`) ON DELETE CASCADE, CONSTRAINT `events_knowledge_requests_request` FOREIGN KEY (`request_id`) REFERENCES `knowledge_requests` (`id`) ON DELETE SET NULL, CONSTRAINT `events_knowledge_knowledge` FOREIGN KEY (`knowledge_id`) REFERENCES `knowledge` (`id`) ON DELETE SET NULL);
-- Set sequence for "events" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("events", 25769803776);
-- Create index "events_pending" to table: "events"
CREATE INDEX `events_pending` ON `events` (`id`) WHERE relayed_at IS NULL AND last_error IS NULL;
-- Create index "event_recipient_id_created_at" to table: "events"
CREATE INDEX `event_recipient_id_created_at` ON `events` (`recipient_id`, `created_at`);
-- Create index "events_unread" to table: "events"
CREATE INDEX `events_unread` ON `events` (`recipient_id`, `created_at`) WHERE read_at IS NULL;
-- Create index "event_request_id" to table: "events"
CREATE INDEX `event_request_id` ON `events` (`request_id`);
-- Create index "event_knowledge_id" to table: "events"
CREATE INDEX `event_knowledge_id` ON `events` (`knowledge_id`);
-- Create index "event_read_at" to table: "events"
CREATE INDEX `event_read_at` ON `events` (`read_at`) WHERE read_at IS NOT NULL;
-- Create index "event_relayed_at" to table: "events"
CREATE INDEX `event_relayed_at` ON `events` (`relayed_at`) WHERE recipient_id IS NULL;
-- Create "knowledge" table
CREATE TABLE `knowledge` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `title` text NOT NULL, `title_key` text NOT NULL, `updated_at` datetime NOT NULL, `owner_id` integer NOT NULL, CONSTRAINT `knowledge_users_owner` FOREIGN KEY (`owner_id`) REFERENCES `users` (`id`) ON DELETE NO ACTION);
-- Set sequence for "knowledge" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("knowledge", 4294967296);
-- Create index "knowledge_created_at" to table: "knowledge"
CREATE INDEX `knowledge_created_at` ON `knowledge` (`created_at`);
-- Create index "knowledge_updated_at" to table: "knowledge"
CREATE INDEX `knowledge_updated_at` ON `knowledge` (`updated_at`);
-- Create index "knowledge_title_key" to table: "knowledge"
CREATE INDEX `knowledge_title_key` ON `knowledge` (`title_key`);
-- Create index "knowledge_owner_id_created_at" to table: "knowledge"
CREATE INDEX `knowledge_owner_id_created_at` ON `knowledge` (`owner_id`, `created_at`);
-- Create "knowledge_contents" table
CREATE TABLE `knowledge_contents` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `text` text NOT NULL, `knowledge_id` integer NOT NULL, CONSTRAINT `knowledge_contents_knowledge_content` FOREIGN KEY (`knowledge_id`) REFERENCES `knowledge` (`id`) ON DELETE CASCADE);
-- Set sequence for "knowledge_contents" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("knowledge_contents", 8589934592);
-- Create index "knowledge_contents_knowledge_id_key" to table: "knowledge_contents"
CREATE UNIQUE INDEX `knowledge_contents_knowledge_id_key` ON `knowledge_contents` (`knowledge_id`);
-- Create "knowledge_requests" table
CREATE TABLE `knowledge_requests` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `question` text NOT NULL, `question_hash` blob NOT NULL, `status` text NOT NULL DEFAULT ('PENDING'), `response_content` text NULL, `responded_at` datetime NULL, `requester_id` integer NOT NULL, `owner_id` integer NOT NULL, `knowledge_id` integer NULL, CONSTRAINT `knowledge_requests_users_requester` FOREIGN KEY (`requester_id`) REFERENCES `users` (`id`) ON DELETE NO ACTION, CONSTRAINT `knowledge_requests_users_owner` FOREIGN KEY (`owner_id`) REFERENCES `users` (`id`) ON DELETE NO ACTION, CONSTRAINT `knowledge_requests_knowledge_knowledge` FOREIGN KEY (`knowledge_id`) REFERENCES `knowledge` (`id`) ON DELETE SET NULL);
-- Set sequence for "knowledge_requests" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("knowledge_requests", 12884901888);
-- Create index "knowledgerequest_requester_id_created_at" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_requester_id_created_at` ON `knowledge_requests` (`requester_id`, `created_at`);
-- Create index "knowledgerequest_owner_id_created_at" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_owner_id_created_at` ON `knowledge_requests` (`owner_id`, `created_at`);
-- Create index "knowledgerequest_owner_id_status_created_at" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_owner_id_status_created_at` ON `knowledge_requests` (`owner_id`, `status`, `created_at`);
-- Create index "knowledgerequest_knowledge_id" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_knowledge_id` ON `knowledge_requests` (`knowledge_id`);
-- Create index "knowledge_requests_one_pending_for_item" to table: "knowledge_requests"
CREATE UNIQUE INDEX `knowledge_requests_one_pending_for_item` ON `knowledge_requests` (`requester_id`, `knowledge_id`) WHERE status = 'PENDING';
-- Create index "knowledge_requests_one_pending_for_question" to table: "knowledge_requests"
CREATE UNIQUE INDEX `knowledge_requests_one_pending_for_question` ON `knowledge_requests` (`requester_id`, `owner_id`, `question_hash`) WHERE status = 'PENDING' AND knowledge_id IS NULL;
-- Create "knowledge_shares" table
CREATE TABLE `knowledge_shares` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `knowledge_id` integer NOT NULL, `shared_with_id` integer NOT NULL, `request_id` integer NOT NULL, CONSTRAINT `knowledge_shares_knowledge_shares` FOREIGN KEY (`knowledge_id`) REFERENCES `knowledge` (`id`) ON DELETE CASCADE, CONSTRAINT `knowledge_shares_users_shared_with` FOREIGN KEY (`shared_with_id`) REFERENCES `users` (`id`) ON DELETE CASCADE, CONSTRAINT `knowledge_shares_knowledge_requests_request` FOREIGN KEY (`request_id`) REFERENCES `knowledge_requests` (`id`) ON DELETE NO ACTION);
-- Set sequence for "knowledge_shares" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("knowledge_shares", 17179869184);
-- Create index "knowledgeshare_knowledge_id_shared_with_id" to table: "knowledge_shares"
CREATE UNIQUE INDEX `knowledgeshare_knowledge_id_shared_with_id` ON `knowledge_shares` (`knowledge_id`, `shared_with_id`);
-- Create index "knowledgeshare_shared_with_id" to table: "knowledge_shares"
CREATE INDEX `knowledgeshare_shared_with_id` ON `knowledge_shares` (`shared_with_id`);
-- Create index "knowledgeshare_request_id" to table: "knowledge_shares"
CREATE INDEX `knowledgeshare_request_id` ON `knowledge_shares` (`request_id`);
-- Create "sessions" table
CREATE TABLE `sessions` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `token_hash` blob NOT NULL, `expires_at` datetime NOT NULL, `user_id` integer NOT NULL, CONSTRAINT `sessions_users_user` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE);
-- Set sequence for "sessions" table
INSERT INTO sqlite_sequence (name, seq) VALUES ("sessions", 21474836480);
-- Create index "sessions_token_hash_key" to table: "sessions"
CREATE UNIQUE INDEX `sessions_token_hash_key` ON `sessions` (`token_hash`);
-- Create index "session_user_id" to table: "sessions"
CREATE INDEX `session_user_id` ON `sessions` (`user_id`);
-- Create index "session_expires_at" to table: "sessions"
CREATE INDEX `session_expires_at` ON `sessions` (`expires_at`);
-- Create "users" table
CREATE TABLE `users` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `name` text NOT NULL, `name_key` text NOT NULL, `email` text NOT NULL, `password_hash` text NOT NULL);
-- Create index "users_email_key" to table: "users"
CREATE UNIQUE INDEX `users_email_key` ON `users` (`email`);
-- Create index "user_name_key" to table: "users"
CREATE INDEX `user_name_key` ON `users` (`name_key`);
-- Create index "user_created_at" to table: "users"
CREATE INDEX `user_created_at` ON `users` (`created_at`);
