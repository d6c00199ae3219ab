-- Add column "shared" to table: "subscribers". No table is rebuilt, so that ids are never given twice.
ALTER TABLE `subscribers` ADD COLUMN `shared` bool NOT NULL DEFAULT (false);
