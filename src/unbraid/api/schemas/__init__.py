"""JSON schemas of requests and answers. Existing clients need these field names: camelCase and snake_case mixed."""
