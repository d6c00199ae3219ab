-- Add column "actor_id" to table: "events"
ALTER TABLE `events` ADD COLUMN `actor_id` integer NULL;
-- Create index "event_actor_id" to table: "events"
CREATE INDEX `event_actor_id` ON `events` (`actor_id`) WHERE actor_id IS NOT NULL;
