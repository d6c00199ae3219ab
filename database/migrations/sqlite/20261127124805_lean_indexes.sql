-- Only indexes change, so no table is rebuilt: the generator rebuilds one as soon as the condition of an index changes.
-- Drop index "event_recipient_id_created_at" from table: "events"
DROP INDEX `event_recipient_id_created_at`;
-- Drop index "events_unread" from table: "events"
DROP INDEX `events_unread`;
-- Create index "event_recipient_id_created_at_id_read_at" to table: "events"
CREATE INDEX `event_recipient_id_created_at_id_read_at` ON `events` (`recipient_id`, `created_at`, `id`, `read_at`);
-- Drop index "event_knowledge_id" from table: "events"
DROP INDEX `event_knowledge_id`;
-- Create index "event_knowledge_id" to table: "events"
CREATE INDEX `event_knowledge_id` ON `events` (`knowledge_id`) WHERE knowledge_id IS NOT NULL;
-- Drop index "knowledgerequest_owner_id_created_at" from table: "knowledge_requests"
DROP INDEX `knowledgerequest_owner_id_created_at`;
-- Drop index "knowledgerequest_owner_id_status_created_at" from table: "knowledge_requests"
DROP INDEX `knowledgerequest_owner_id_status_created_at`;
-- Create index "knowledgerequest_owner_id_created_at_id_status" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_owner_id_created_at_id_status` ON `knowledge_requests` (`owner_id`, `created_at`, `id`, `status`);
-- Drop index "knowledgerequest_knowledge_id" from table: "knowledge_requests"
DROP INDEX `knowledgerequest_knowledge_id`;
-- Create index "knowledgerequest_knowledge_id" to table: "knowledge_requests"
CREATE INDEX `knowledgerequest_knowledge_id` ON `knowledge_requests` (`knowledge_id`) WHERE knowledge_id IS NOT NULL;
-- Drop index "knowledge_requests_one_pending_for_item" from table: "knowledge_requests"
DROP INDEX `knowledge_requests_one_pending_for_item`;
-- Create index "knowledge_requests_one_pending_for_item" to table: "knowledge_requests"
CREATE UNIQUE INDEX `knowledge_requests_one_pending_for_item` ON `knowledge_requests` (`requester_id`, `knowledge_id`) WHERE status = 'PENDING' AND knowledge_id IS NOT NULL;
