-- Create index "subscriber_session_id" to table: "subscribers"
CREATE INDEX `subscriber_session_id` ON `subscribers` (`session_id`);
