import { Controller, Param, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { accountApi as api } from '@neon/control-plane-contract';
import { ApiKeys } from '@neon/control-plane-adapters';
import { Refusal } from '@neon/kernel';
import { z } from 'zod';
import { ApiKeyGuard } from '../http/api-key.guard';
import * as show from '../http/rendering';
import { CheckedBody, CheckedQuery, Route } from '../http/route';
import { ControlPlaneNode } from '../node/control-plane-node';

const UNLIMITED = -1;
const OWNER = { id: show.ACCOUNT_ID, name: 'owner', image: '' };
/** Serial numbers in the database. */
const KEY_ID_MAX = 2 ** 31 - 1;

/** There is one account, so there is nothing to decide here: these operations go to the keys directly. */
@ApiBearerAuth()
@UseGuards(ApiKeyGuard)
@Controller('api/v2')
export class AccountController {
  constructor(
    private readonly keys: ApiKeys,
    private readonly node: ControlPlaneNode,
  ) {}

  @Route(api.listApiKeys)
  async listKeys() {
    return (await this.keys.list()).map((row) => ({ ...show.apiKey(row), created_by: OWNER }));
  }

  @Route(api.createApiKey)
  async createKey(@CheckedBody(api.createApiKey) { key_name: name }: z.output<typeof api.createApiKey.body>) {
    const { key, row } = await this.keys.create(name);
    const { id, created_at } = show.apiKey(row);
    return { id, key, name, created_at, created_by: OWNER.id };
  }

  @Route(api.revokeApiKey)
  async revokeKey(@Param('key_id') keyId: string) {
    const id = /^\d+$/.test(keyId) ? Number(keyId) : KEY_ID_MAX + 1;
    if (id > KEY_ID_MAX) throw new Refusal('ApiKeyNotFound', 'API key not found');
    return { ...show.apiKey(await this.keys.revoke(id)), created_by: OWNER.id, revoked: true };
  }

  @Route(api.getActiveRegions)
  listRegions(@CheckedQuery(api.getActiveRegions) _query: unknown) {
    const { regionId } = this.node.get('config');
    return { regions: [{ region_id: regionId, name: 'This installation', default: true, geo_lat: '', geo_long: '' }] };
  }

  @Route(api.getCurrentUserInfo)
  me() {
    return {
      active_seconds_limit: UNLIMITED,
      auth_accounts: [],
      email: '',
      id: OWNER.id,
      image: OWNER.image,
      login: OWNER.name,
      name: OWNER.name,
      last_name: '',
      projects_limit: UNLIMITED,
      branches_limit: UNLIMITED,
      max_autoscaling_limit: UNLIMITED,
      plan: 'self-hosted',
    };
  }

  @Route(api.getCurrentUserOrganizations)
  organizations() {
    return { organizations: [] };
  }

  @Route(api.getAuthDetails)
  auth() {
    return { account_id: OWNER.id, auth_method: 'api_key_user', auth_data: '' };
  }
}
