-- Every bundle.
SELECT digest, bytes FROM bundle ORDER BY digest;
