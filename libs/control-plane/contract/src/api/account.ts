/** Who is asking, what keys there are, where things can run. */
import { z } from 'zod';
import { defineOperation } from './operation-definition';
import { Timestamp, queryText } from './values';

const ApiKeyItem = z.object({
  id: z.number().int(),
  name: z.string(),
  created_at: Timestamp,
  created_by: z.object({ id: z.string(), name: z.string(), image: z.string() }),
  last_used_at: Timestamp.nullable(),
  last_used_from_addr: z.string(),
});

export const listApiKeys = defineOperation({
  operationId: 'listApiKeys',
  method: 'GET',
  path: '/api_keys',
  summary: 'List API keys, newest first',
  tag: 'API Key',
  status: 200,
  answer: z.array(ApiKeyItem),
});

export const createApiKey = defineOperation({
  operationId: 'createApiKey',
  method: 'POST',
  path: '/api_keys',
  summary: 'Create an API key: this answer alone shows it',
  tag: 'API Key',
  status: 200,
  body: z.object({ key_name: z.string().trim().min(1).max(64) }),
  answer: z.object({
    id: z.number().int(),
    key: z.string(),
    name: z.string(),
    created_at: Timestamp,
    created_by: z.string(),
  }),
});

export const revokeApiKey = defineOperation({
  operationId: 'revokeApiKey',
  method: 'DELETE',
  path: '/api_keys/{key_id}',
  summary: 'Revoke an API key',
  tag: 'API Key',
  status: 200,
  answer: ApiKeyItem.omit({ created_by: true }).extend({ created_by: z.string(), revoked: z.boolean() }),
});

export const getActiveRegions = defineOperation({
  operationId: 'getActiveRegions',
  method: 'GET',
  path: '/regions',
  summary: 'List regions',
  tag: 'Region',
  status: 200,
  query: z.object({ org_id: queryText }),
  answer: z.object({
    regions: z.array(
      z.object({
        region_id: z.string(),
        name: z.string(),
        default: z.boolean(),
        geo_lat: z.string(),
        geo_long: z.string(),
      }),
    ),
  }),
});

export const getCurrentUserInfo = defineOperation({
  operationId: 'getCurrentUserInfo',
  method: 'GET',
  path: '/users/me',
  summary: 'Who the API key belongs to',
  tag: 'Users',
  status: 200,
  answer: z.object({
    active_seconds_limit: z.number().int(),
    auth_accounts: z.array(z.never()),
    email: z.string(),
    id: z.string(),
    image: z.string(),
    login: z.string(),
    name: z.string(),
    last_name: z.string(),
    projects_limit: z.number().int(),
    branches_limit: z.number().int(),
    max_autoscaling_limit: z.number(),
    plan: z.string(),
  }),
});

export const getCurrentUserOrganizations = defineOperation({
  operationId: 'getCurrentUserOrganizations',
  method: 'GET',
  path: '/users/me/organizations',
  summary: 'List organizations: there are none',
  tag: 'Users',
  status: 200,
  answer: z.object({ organizations: z.array(z.never()) }),
});

export const getAuthDetails = defineOperation({
  operationId: 'getAuthDetails',
  method: 'GET',
  path: '/auth',
  summary: 'How the request was authenticated',
  tag: 'Users',
  status: 200,
  answer: z.object({ account_id: z.string(), auth_method: z.enum(['api_key_user']), auth_data: z.string() }),
});
