-- How many leads there are in each state.
SELECT enrichment, count(*) FROM lead GROUP BY enrichment;
