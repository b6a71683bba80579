-- One row if the bundle is kept.
SELECT 1 FROM bundle WHERE digest = :digest;
