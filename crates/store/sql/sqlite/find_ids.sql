-- Runs whose id lies between two, the newest first.
SELECT id FROM run WHERE id BETWEEN :first AND :last AND id < :before ORDER BY id DESC LIMIT :limit;
