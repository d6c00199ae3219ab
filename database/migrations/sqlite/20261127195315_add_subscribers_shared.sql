-- Add column "shared" to table: "subscribers". No table is rebuilt, so that ids are never given twice.
ALTER TABLE `subscribers` ADD COLUMN `shared` bool NOT NULL DEFAULT (false);
-- Until now the topic of new knowledge alone was shared, and its source has an Allow from now on.
UPDATE `subscribers` SET `shared` = true WHERE `topic` = 'KNOWLEDGE_PUBLISHED';
