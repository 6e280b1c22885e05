-- The rule of limits, once: what the platform set for the tenant, also null, stands before what its plan gives; null is unlimited.
create function quota_max(overridden boolean, override bigint, plan text, free bigint, pro bigint, enterprise bigint) returns bigint
language sql immutable parallel safe
as $$ select case when overridden then override else case plan when 'enterprise' then enterprise when 'pro' then pro else free end end $$;
